"""Images and where they lie in space: volumes, label maps, radiographs, projections."""
