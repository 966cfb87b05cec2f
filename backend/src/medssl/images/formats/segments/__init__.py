"""Files of segments and structures: Slicer, DICOM SEG, RTSTRUCT."""
