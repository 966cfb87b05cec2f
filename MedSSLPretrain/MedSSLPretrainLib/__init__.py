"""The parts of the module MedSSLPretrain."""
