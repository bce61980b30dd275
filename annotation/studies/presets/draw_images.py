"""Draws the images of the presets `hpd_v2` and `turing_rsa` into the folder `images` beside this file, where they stay.
Plain shapes, written as PNG by hand, so that they come out the same everywhere:

    python annotation/studies/presets/draw_images.py"""

import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

SIZE = 160
Colour = tuple[int, int, int]
WHITE, BLACK, RED, GREEN, BLUE = (255, 255, 255), (20, 20, 20), (204, 41, 41), (46, 125, 50), (33, 80, 162)
SKY, NIGHT, YELLOW, ORANGE = (135, 190, 235), (22, 28, 64), (250, 205, 50), (230, 130, 40)
BROWN, GREY, VIOLET = (110, 70, 40), (140, 140, 140), (120, 60, 150)


class Canvas:
    """A square of pixels, drawn over from back to front."""

    def __init__(self, ground: Colour) -> None:
        self._rows = [[ground] * SIZE for _ in range(SIZE)]

    def paint(self, colour: Colour, inside: Callable[[int, int], bool]) -> "Canvas":
        for y, row in enumerate(self._rows):
            for x in range(SIZE):
                if inside(x, y):
                    row[x] = colour
        return self

    def box(self, colour: Colour, left: int, top: int, right: int, bottom: int) -> "Canvas":
        return self.paint(colour, lambda x, y: left <= x < right and top <= y < bottom)

    def circle(self, colour: Colour, x0: int, y0: int, radius: int) -> "Canvas":
        return self.paint(colour, lambda x, y: (x - x0) ** 2 + (y - y0) ** 2 <= radius**2)

    def triangle(self, colour: Colour, middle: int, top: int, bottom: int, half: int) -> "Canvas":
        """One that stands on its base."""
        slope = half / (bottom - top)
        return self.paint(colour, lambda x, y: top <= y < bottom and abs(x - middle) <= (y - top) * slope)

    def stripes(self, *colours: Colour) -> "Canvas":
        height = SIZE // len(colours)
        for number, colour in enumerate(colours):
            self.box(colour, 0, number * height, SIZE, SIZE if number == len(colours) - 1 else (number + 1) * height)
        return self

    def board(self, colour: Colour, fields: int) -> "Canvas":
        side = SIZE // fields
        return self.paint(colour, lambda x, y: (x // side + y // side) % 2 == 1)

    def grain(self) -> "Canvas":
        """Every third pixel turned dark, in a pattern that nobody would keep."""
        return self.paint(GREY, lambda x, y: (x * 7 + y * 13) % 11 < 3)

    def png(self) -> bytes:
        """An image of eight bits a channel, each row unfiltered."""
        header = struct.pack(">2I5B", SIZE, SIZE, 8, 2, 0, 0, 0)
        rows = b"".join(b"\0" + bytes(value for pixel in row for value in pixel) for row in self._rows)
        parts = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows, 9)), _chunk(b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def circles(ground: Colour, colour: Colour, *places: tuple[int, int], radius: int = 22) -> Canvas:
    canvas = Canvas(ground)
    for x, y in places:
        canvas.circle(colour, x, y, radius)
    return canvas


def house(sky: Colour, roof: Colour) -> Canvas:
    walls = Canvas(sky).box(GREEN, 0, 120, SIZE, SIZE).box(WHITE, 50, 75, 110, 125)
    return walls.triangle(roof, 80, 40, 76, 42).box(BROWN, 72, 98, 88, 125)


def boat(sail: Colour, sea: Colour) -> Canvas:
    water = Canvas(SKY).box(sea, 0, 105, SIZE, SIZE).box(BROWN, 45, 98, 115, 112)
    return water.box(BLACK, 78, 34, 81, 98).triangle(sail, 80, 36, 92, 32)


def drawings() -> Iterator[tuple[str, Canvas]]:
    """(file name, drawing). Of the four to a prompt the first does what it says, the others less and less."""
    three = ((45, 50), (115, 50), (80, 110))
    prompts = (
        (circles(BLUE, RED, *three), circles(BLUE, RED, *three[:2]), circles(RED, BLUE, *three), Canvas(BLUE).grain()),
        (
            Canvas(SKY).box(GREEN, 0, 100, SIZE, SIZE).circle(YELLOW, 80, 50, 26),
            Canvas(SKY).box(GREEN, 0, 100, SIZE, SIZE).circle(YELLOW, 80, 130, 22),
            Canvas(SKY).box(GREEN, 0, 100, SIZE, SIZE),
            Canvas(YELLOW).circle(GREEN, 80, 80, 50),
        ),
        (
            Canvas(GREY).circle(WHITE, 80, 80, 64).box(BLACK, 50, 50, 110, 110),
            Canvas(GREY).box(BLACK, 20, 20, 140, 140).circle(WHITE, 80, 80, 46),
            Canvas(WHITE).box(BLACK, 50, 50, 110, 110),
            Canvas(GREY).circle(WHITE, 80, 80, 64).box(BLACK, 50, 50, 110, 110).grain(),
        ),
        (
            Canvas(WHITE).triangle(RED, 45, 45, 115, 35).triangle(GREEN, 115, 45, 115, 35),
            Canvas(WHITE).triangle(RED, 45, 45, 115, 35).triangle(RED, 115, 45, 115, 35),
            Canvas(WHITE).triangle(RED, 80, 20, 80, 35).triangle(GREEN, 80, 85, 145, 35),
            Canvas(WHITE).box(RED, 20, 50, 75, 110).box(GREEN, 85, 50, 140, 110),
        ),
        (
            Canvas(ORANGE).board(BROWN, 8),
            Canvas(ORANGE).board(BROWN, 4),
            Canvas(WHITE).board(BLACK, 8),
            Canvas(ORANGE).stripes(ORANGE, BROWN, ORANGE, BROWN),
        ),
        (
            Canvas(WHITE).stripes(RED, ORANGE, YELLOW, GREEN, BLUE),
            Canvas(WHITE).stripes(BLUE, RED, GREEN, ORANGE, YELLOW),
            Canvas(WHITE).stripes(RED, YELLOW, BLUE),
            Canvas(VIOLET).circle(YELLOW, 80, 80, 60),
        ),
        (house(NIGHT, RED).circle(YELLOW, 130, 25, 8), house(SKY, RED), house(NIGHT, BLUE), house(NIGHT, RED).grain()),
        (boat(WHITE, BLUE), boat(RED, BLUE), boat(WHITE, GREEN), Canvas(SKY).box(BLUE, 0, 105, SIZE, SIZE)),
    )
    for number, four in enumerate(prompts, start=1):
        for letter, drawing in zip("abcd", four, strict=True):
            yield f"hpd_v2_{number}{letter}.png", drawing
    yield "turing_rsa_sun.png", Canvas(SKY).circle(YELLOW, 80, 80, 45)
    yield "turing_rsa_moon.png", Canvas(NIGHT).circle(WHITE, 80, 80, 45).circle(NIGHT, 100, 70, 40)
    yield "turing_rsa_house.png", house(SKY, RED)
    yield "turing_rsa_fish.png", Canvas(BLUE).circle(ORANGE, 70, 80, 30).triangle(ORANGE, 112, 60, 100, 18)


def main(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, drawing in drawings():
        (folder / name).write_bytes(drawing.png())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images")
