"""DICOM below the reading of a series: headers, kinds of objects, planes, phases, grids, pixels, radiographs."""
