"""Write docs/readme.png, the picture of the README: ``python docs/readme_picture.py``."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


def main() -> None:
    import matplotlib as mpl
    from figures.front import three_models
    from house import HOUSE

    with mpl.rc_context(HOUSE):
        three_models().savefig(HERE / "readme.png", dpi=130, metadata={"Software": None})


if __name__ == "__main__":
    main()
