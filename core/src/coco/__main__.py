"""``python -m coco`` is ``coco``."""

from coco.cli import main

if __name__ == "__main__":
    main()
