"""What a loader draws as a function of the sample's number: sub-volumes, slices, radiographs."""
