"""Which volumes of the scene are the user's, and which this extension made of them."""

from __future__ import annotations

PREVIEW = "MedSSL.preview"  # attribute: which of the two images of a preview a volume is
MADE_BY = (PREVIEW, "MedSSL.overlay", "MedSSL.group", "MedSSL.saliency", "MedSSL.uncertainty")  # attributes
MADE_OF = ("MedSSL.source", "MedSSL.image")  # references: the image that a result was computed from


def isMade(node) -> bool:
    """Whether this extension made a volume: a restoration, a heat map, a preview, a simulated radiograph.

    Learning from those would teach a network what a network has drawn.
    """
    return isMap(node) or any(node.GetNodeReferenceID(role) for role in MADE_OF)


def isMap(node) -> bool:
    """Whether a volume is drawn over an image: heat map, saliency, uncertainty, preview. No model is asked about those.

    A restoration or a simulated radiograph is an image, which may be looked at like any other.
    """
    return any(node.GetAttribute(name) for name in MADE_BY)


def hideFrom(selector, hidden) -> None:
    """Offer all nodes of a selector's types but these."""
    ids = [node.GetID() for node in hidden]
    if list(selector.sortFilterProxyModel().hiddenNodeIDs) != ids:
        selector.sortFilterProxyModel().hiddenNodeIDs = ids
