"""Pictures as bytes: measured, made ready, finished, kept. The one home of Pillow."""
