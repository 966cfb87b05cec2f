"""Looking into models and training sets. One line registers an inspection: (request: dict, context: Context) -> None."""

INSPECTIONS = {
    "restore": "medssl.inference.volumes.restoration:inspect",
    "preview": "medssl.handlers.preview:inspect",
    "catalog": "medssl.handlers.catalog:inspect",
    "plane": "medssl.handlers.plane:inspect",
    "correspond": "medssl.inspection.anatomy.correspondence:inspect",
    "similarity": "medssl.inspection.anatomy.similarity:inspect",
    "cosegment": "medssl.inspection.anatomy.cosegmentation:inspect",
    "patchmap": "medssl.inspection.anatomy.patchmap:inspect",
    "landmarks": "medssl.inspection.anatomy.landmarks:inspect",
    "segment": "medssl.inference.volumes.segmenter:inspect",
    "predict": "medssl.inference.classification.predict:inspect",
    "retrieve": "medssl.inspection.search.case_search:inspect",
    "saliency": "medssl.inspection.saliency.maps:inspect",
}
