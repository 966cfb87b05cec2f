"""Image files: NRRD, NIfTI, MetaImage, PNG, DICOM series and radiographs."""
