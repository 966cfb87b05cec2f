"""Networks and weight files. One line says how a method's network is built from `Plan.network`."""

NETWORKS = {
    "genesis": "medssl.networks.unet3d:UNet3D",
    "peac": "medssl.networks.peac:PeacNetwork",
}
