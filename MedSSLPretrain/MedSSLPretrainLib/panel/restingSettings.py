"""Settings that do not count beside others: the form says which, and why."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _


def restingSettings(values: dict[str, Any]) -> dict[str, str]:
    """Dotted names of the settings that another one overrules, and the reason.

    Args:
        values: a complete tree of a method's or task's settings.
    """
    training, transfer = values.get("training", {}), values.get("transfer", {})
    return {
        **_length(values),
        **_rate(values, training),
        **_network(values),
        **({"focus": _("Counts where the loss is focal")} if values.get("loss", "focal") != "focal" else {}),
        **({"transfer.freeze_steps": _("Counts where freeze is backbone")} if transfer.get("freeze") == "none" else {}),
    }


def _length(values: dict[str, Any]) -> dict[str, str]:
    """A method with epochs takes its length from them, or from the steps."""
    if "epochs" not in values:
        return {}
    if not values["epochs"]:
        return {"warmup_epochs": _("Counts while epochs are above 0; now warmup steps do")}
    return {
        "training.steps": _("Epochs say how long: set them to 0 to train by steps"),
        "training.warmup_steps": _("Warmup epochs count while epochs are above 0"),
        "training.validate_every": _("A validation follows every epoch while epochs are above 0"),
    }


def _rate(values: dict[str, Any], training: dict[str, Any]) -> dict[str, str]:
    found = {}
    if training.get("optimizer", "sgd") != "sgd":
        found["training.momentum"] = found["training.nesterov"] = _("Counts where the optimizer is sgd")
    schedule = training.get("schedule", "step")
    if values.get("fidelity") == "released" and "epochs" in values:
        found["training.schedule"] = _("The released code follows the validation loss")
        schedule = "validation-loss"
    if schedule not in ("step", "plateau"):
        found["training.decay_every"] = _("Counts where the schedule is step or plateau")
    return found


def _network(values: dict[str, Any]) -> dict[str, str]:
    """A task's network has a base width, a backbone, or the name and image size of a convolutional network."""
    network = values.get("network", "auto")
    reasons = {
        "unet3d": {"base_width": _("Counts for a U-Net")},
        "swin": {"backbone": _("Counts for a swin")},
        "cnn": {"cnn": _("Counts for a cnn"), "pixels": _("Counts for a cnn")},
    }
    if network not in reasons:
        return {}
    return {
        name: _("{reason}: the network is {network}").format(reason=reason, network=network)
        for other, named in reasons.items()
        for name, reason in named.items()
        if other != network and name in values
    }
