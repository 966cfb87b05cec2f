"""What both MedSSL modules share. Slicer installs all modules into one flat folder, so both can import it.

Importing this package makes `import medssl` work in Slicer's Python.
"""

from MedSSLLib.backendLocator import addToPath

addToPath()
