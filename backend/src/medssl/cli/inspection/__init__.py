"""Verbs that inspect: restore, correspond, similarity, cosegment, patchmap, landmarks, retrieve, saliency."""
