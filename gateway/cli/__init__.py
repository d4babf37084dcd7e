"""x"""
from gateway import __version__
def main(): print(__version__)
