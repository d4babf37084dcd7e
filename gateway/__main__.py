"""``python -m gateway``: the same as ``image-gateway``."""

from gateway.cli import main

if __name__ == "__main__":
    main(prog_name="image-gateway")
