"""Builds the images and reports their sizes: `python -m local.images`, or `make images`."""

import argparse
import sys
from collections.abc import Sequence

from local.images.build import BASE, Build, BuildError, image_contexts


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; what goes wrong is one line on standard error and status 1."""
    parser = argparse.ArgumentParser(prog="python -m local.images", description=__doc__)
    parser.add_argument("contexts", nargs="*", help="only these; by default all")
    parser.add_argument("--base", default=BASE, help="image with Python to build on")
    parser.add_argument("--tag", default="local", help="tag of the images")
    parser.add_argument("--registry", default="dcoder", help="what stands before their names")
    parser.add_argument("--network", default="default", help="network of the build's downloads")
    chosen = parser.parse_args(arguments)
    build = Build(base=chosen.base, registry=chosen.registry, tag=chosen.tag, network=chosen.network)
    known = image_contexts()
    try:
        for context in chosen.contexts or known:
            if context not in known:
                raise BuildError(f"no context {context!r}; there are: {', '.join(known)}")
            image = build.image(context)
            sys.stdout.write(f"{image.name:<28} {image.own_megabytes:>6} MB on the base's {image.base_megabytes} MB\n")
    except BuildError as error:
        sys.stderr.write(f"images: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
