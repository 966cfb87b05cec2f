"""Looking into models and training sets. One line registers an inspection: (request: dict, context: Context) -> None."""

INSPECTIONS = {
    "restore": "medssl.inspection.restoration:inspect",
    "preview": "medssl.inspection.preview:inspect",
    "catalog": "medssl.inspection.catalog:inspect",
    "plane": "medssl.inspection.plane:inspect",
    "correspond": "medssl.inspection.correspondence:inspect",
    "similarity": "medssl.inspection.similarity:inspect",
    "cosegment": "medssl.inspection.cosegmentation:inspect",
    "patchmap": "medssl.inspection.patchmap:inspect",
    "landmarks": "medssl.inspection.landmarks:inspect",
    "segment": "medssl.inspection.segmentation:inspect",
    "predict": "medssl.inspection.prediction:inspect",
    "retrieve": "medssl.inspection.case_retrieval:inspect",
    "saliency": "medssl.inspection.saliency:inspect",
}
