"""What the module MedSSLInference is made of: the restore box, its requests, and the nodes and layout it leaves."""
