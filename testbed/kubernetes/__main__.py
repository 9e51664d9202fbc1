"""Real Kubernetes on this computer: programs built from Go modules, the machines' kit, and images in a registry."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import building, contents, places, programs, ready
from .kit import NAMES, kit
from .pushing import Registry


def _programs(args: argparse.Namespace) -> None:
    wanted, go = programs.chosen(args.names), building.find_go()
    found = building.present(wanted, go.minor) if args.only_present else building.build(wanted, go)
    if len(args.names) == 1 and args.names[0] in programs.BY_NAME:
        if not found:
            raise places.Trouble(f"{args.names[0]} is not built", f"scripts/kubernetes programs {args.names[0]}")
        print(*found.values())
    else:
        print(json.dumps({name: str(path) for name, path in found.items()}, indent=2))


def _kit(_: argparse.Namespace) -> None:
    print(kit(building.build(programs.chosen(NAMES), building.find_go())))


def _images(args: argparse.Namespace) -> None:
    if args.list:
        print(*contents.references(), sep="\n")
        return
    if not args.target:
        raise places.Trouble("no registry is named", "scripts/kubernetes images PORT, or http://HOST:PORT")
    print(json.dumps(_pushed(args.target, args.names), indent=2))


def _pushed(target: str, names: list[str]) -> dict[str, str]:
    """Brings images into a registry; name to the digest that pins each."""
    registry, start, sent = Registry(target), time.monotonic(), 0
    needed = contents.needed(names)
    built = building.build(programs.chosen(needed), building.find_go()) if needed else {}
    images = contents.images(names, built)
    contents.apart(image.name for image in images)
    for image in images:
        if registry.push(image):
            sent += 1
            size = sum(layer.blob.size for layer in image.layers) / 1e6
            places.say(f"{image.name} is in {registry.url} ({size:.0f} MB)")
    took = time.monotonic() - start
    places.say(f"{len(images)} images are in {registry.url}, {sent} of them new ({took:.1f} s)")
    return {image.name: image.digest for image in images}


def _prefetch(_: argparse.Namespace) -> None:
    """Builds all, and leaves images where every registry of this computer finds them."""
    start = time.monotonic()
    go = building.find_go()
    kit(building.build(programs.chosen(()), go))
    server = [sys.executable, str(places.HERE.parent / "registry.py")]
    with tempfile.TemporaryDirectory(prefix="castle-registry-") as room:
        told = subprocess.run([*server, "start", room], stdout=subprocess.PIPE, text=True, check=False)
        if told.returncode != 0:
            raise places.Trouble("the registry did not start", "look at the lines above")
        try:
            _pushed(f"http://{json.loads(told.stdout)['address']}", [])
        finally:
            subprocess.run([*server, "stop", room], check=False)
    places.say(f"ready in {time.monotonic() - start:.1f} s; all of it lies in {places.STORE}")


def _pin(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="castle-pin-") as room:
        print(*ready.pin(programs.chosen(args.names), Path(room)), sep="\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/kubernetes", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    verb = verbs.add_parser("programs", help="build what is missing, and print where each program lies")
    verb.add_argument("names", nargs="*", metavar="NAME", help=f"a program, or '{programs.CLUSTER}': a bare cluster's")
    verb.add_argument("--only-present", action="store_true", help="build nothing")
    verb.set_defaults(run=_programs)
    verb = verbs.add_parser("kit", help=f"print the directory of {', '.join(NAMES)}, to be mounted into machines")
    verb.set_defaults(run=_kit)
    verb = verbs.add_parser("images", help="build images, push them, and print the digest of each")
    verb.add_argument("target", nargs="?", metavar="PORT|URL", help="a registry on the loopback, or http://HOST:PORT")
    verb.add_argument("names", nargs="*", metavar="NAME", help="a program, 'cluster', 'busybox' or a stand-in; or all")
    verb.add_argument("--list", action="store_true", help="print the names of the images, and do nothing")
    verb.set_defaults(run=_images)
    verb = verbs.add_parser("prefetch", help="build all of it ahead")
    verb.set_defaults(run=_prefetch)
    verb = verbs.add_parser("pin", help="pin the digests of programs that their vendor publishes ready-made")
    verb.add_argument("names", nargs="*", metavar="NAME", help="a program, or 'cluster'; or all")
    verb.set_defaults(run=_pin)
    return parser


def main() -> int:
    """Parses the command line and does it."""
    args = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended, what was begun is removed
    try:
        args.run(args)
    except places.Trouble as trouble:
        places.say(f"error: {trouble}")
        for hint in trouble.hints:
            places.say(f"hint: {hint}")
        return 1
    except KeyboardInterrupt:
        places.say("interrupted; what is built stays, the same command goes on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
