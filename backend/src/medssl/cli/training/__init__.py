"""Verbs that train: pretrain, finetune, probe, compare, batch."""
