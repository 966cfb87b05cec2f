"""What both MedSSL modules share. Slicer installs all modules into one flat folder, so both can import it."""
