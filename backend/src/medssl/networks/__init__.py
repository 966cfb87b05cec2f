"""Networks and weight files. One line says how the network of a method or a task is built from `Plan.network`."""

NETWORKS = {
    "genesis": "medssl.networks.unet3d:UNet3D",
    "peac": "medssl.networks.peac:PeacNetwork",
    "ark": "medssl.networks.ark:ArkNetwork",
    "unet-segmenter": "medssl.networks.unet_segmenter:UNetSegmenter",
    "unet-classifier": "medssl.networks.unet_classifier:UNetClassifier",
    "swin-classifier": "medssl.networks.swin_classifier:SwinClassifier",
    "swin-segmenter": "medssl.networks.swin_segmenter:SwinSegmenter",
    "monai-segmenter": "medssl.networks.monai_segmenter:MonaiSegmenter",
}
