#!/usr/bin/env python3
"""Makes tests/golden/image: small pictures of every kind that src/image reads, and what Pillow makes of them.

    python3 tests/golden/make_image.py        (Pillow 13 and NumPy)

A picture x.png has its expected pixels beside it in x.png.ppm (binary PPM, RGB, transparent parts over white, EXIF
orientation applied). Kinds that Pillow cannot write are written here, byte by byte. Expected pixels are Pillow's own,
but for 16-bit samples, of which the high byte counts here (Pillow does so for RGB PNG, clips grey, and reads no such
PSD), and for what a GIF's first frame does not cover, which is transparent here (in Pillow it has colour 0).
"""
import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

OUT = Path(__file__).parent / "image"
WHITE = (255, 255, 255, 255)


def photo(width, height, seed):
    """Smooth shapes, an edge and noise: what a small crop of a photograph has."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    planes = []
    for c in range(3):
        wave = np.sin(x / (3 + 2 * c) + seed) * np.cos(y / (4 + c)) * 70 + 128 + 40 * c
        wave[(x - width * 0.6) ** 2 + (y - height * 0.4) ** 2 < (height * 0.3) ** 2] -= 110
        planes.append(wave + rng.normal(0, 9, wave.shape))
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def write_ppm(path, pixels):
    height, width, _ = pixels.shape
    path.write_bytes(b"P6\n%d %d\n255\n" % (width, height) + np.ascontiguousarray(pixels).tobytes())


def over_white(image):
    image = image.convert("RGBA")
    return np.array(Image.alpha_composite(Image.new("RGBA", image.size, WHITE), image).convert("RGB"))


def save(name, data, pixels=None):
    """Writes the picture and what is expected of it: `pixels`, or Pillow's reading."""
    (OUT / name).write_bytes(data)
    if pixels is None:
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
        pixels = over_white(image) if alpha else np.array(image.convert("RGB"))
    write_ppm(OUT / (name + ".ppm"), pixels)


def encode(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


# --- PNG ---


def png(samples, depth, color, interlaced=False, chunks=()):
    """samples [H, W, channels] of `depth` bits."""
    height, width, _ = samples.shape

    def rows(part):
        h, w, n = part.shape
        if depth == 16:
            packed = part.astype(">u2").tobytes()
            stride = w * n * 2
        elif depth == 8:
            packed = part.astype(np.uint8).tobytes()
            stride = w * n
        else:
            bits = (part[..., 0, None] >> np.arange(depth)[::-1]) & 1
            lines = np.packbits(bits.reshape(h, -1).astype(np.uint8), axis=1)
            packed, stride = lines.tobytes(), lines.shape[1]
        return b"".join(b"\0" + packed[y * stride:(y + 1) * stride] for y in range(h))

    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
        raw = b"".join(rows(samples[y::dy, x::dx]) for x, y, dx, dy in passes if samples[y::dy, x::dx].size)
    else:
        raw = rows(samples)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunk(k, b) for k, b in chunks)
            + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def composite(rgb, alpha):
    rgba = np.concatenate([rgb, alpha[..., None]], -1).astype(np.uint8)
    return over_white(Image.fromarray(rgba))


def make_png():
    rgb = photo(23, 15, 1)
    grey = rgb[..., :1]
    noise = np.random.default_rng(2).integers(0, 256, rgb.shape[:2] + (4,))
    rgb16 = rgb.astype(np.uint16) << 8 | noise[..., :3].astype(np.uint16)
    grey16 = rgb16[..., :1]
    alpha = np.linspace(0, 255, 23 * 15).astype(np.uint8).reshape(15, 23)
    alpha16 = alpha[..., None].astype(np.uint16) << 8 | noise[..., 3:].astype(np.uint16)
    palette = (b"PLTE", np.random.default_rng(3).integers(0, 256, 768).astype(np.uint8).tobytes())
    see_through = (b"tRNS", bytes([0, 64, 128, 255, 200]))

    save("rgb8.png", png(rgb, 8, 2))
    save("rgb8-interlaced.png", png(rgb, 8, 2, True))
    save("rgb16.png", png(rgb16, 16, 2), rgb)
    for depth in (1, 2, 4, 8):
        level = grey >> (8 - depth)
        save(f"grey{depth}.png", png(level, depth, 0))
        save(f"palette{depth}.png", png(level, depth, 3, chunks=[(palette[0], palette[1][:3 << depth])]))
    save("grey1-interlaced.png", png(grey >> 7, 1, 0, True))
    save("palette4-interlaced.png", png(grey >> 4, 4, 3, True, [(palette[0], palette[1][:48])]))
    save("grey16.png", png(grey16, 16, 0), np.repeat(grey, 3, -1))
    save("palette8-alpha.png", png(grey % 7, 8, 3, chunks=[palette, see_through]))
    save("palette2-alpha.png", png(grey >> 6, 2, 3, chunks=[(palette[0], palette[1][:12]), (b"tRNS", bytes([255, 9]))]))
    save("rgb8-key.png", png(rgb, 8, 2, chunks=[(b"tRNS", struct.pack(">HHH", *map(int, rgb[3, 5])))]))
    save("grey8-key.png", png(grey, 8, 0, chunks=[(b"tRNS", struct.pack(">H", int(grey[3, 5, 0])))]))
    save("rgba8.png", png(np.concatenate([rgb, alpha[..., None]], -1), 8, 6))
    save("rgba8-interlaced.png", png(np.concatenate([rgb, alpha[..., None]], -1), 8, 6, True))
    save("grey8-alpha.png", png(np.concatenate([grey, alpha[..., None]], -1), 8, 4))
    save("rgba16.png", png(np.concatenate([rgb16, alpha16], -1), 16, 6), composite(rgb, alpha))
    save("grey16-alpha.png", png(np.concatenate([grey16, alpha16], -1), 16, 4), composite(np.repeat(grey, 3, -1), alpha))
    # One 16-bit colour is transparent, not all that share its high bytes.
    key = tuple(map(int, rgb16[3, 5]))
    hit = (rgb16 == np.array(key)).all(-1)
    save("rgb16-key.png", png(rgb16, 16, 2, chunks=[(b"tRNS", struct.pack(">HHH", *key))]),
         composite(rgb, np.where(hit, 0, 255)))
    save("one-pixel.png", png(rgb[:1, :1], 8, 2))


# --- JPEG and EXIF ---


def exif(orientation, big):
    order = ">" if big else "<"
    head = b"MM\0*" if big else b"II*\0"
    value = struct.pack(order + "HH", orientation, 0)
    # An entry before it and one after: the tag is searched for, not guessed at.
    return (head + struct.pack(order + "IH", 8, 3) + struct.pack(order + "HHI", 0x010f, 2, 4) + b"abc\0"
            + struct.pack(order + "HHI", 0x0112, 3, 1) + value
            + struct.pack(order + "HHI", 0x0213, 3, 1) + struct.pack(order + "HH", 1, 0) + struct.pack(order + "I", 0))


def make_jpeg():
    image = Image.fromarray(photo(29, 19, 4))
    save("420.jpg", encode(image, "JPEG", quality=85))
    save("422.jpg", encode(image, "JPEG", quality=85, subsampling="4:2:2"))
    save("444.jpg", encode(image, "JPEG", quality=90, subsampling="4:4:4"))
    save("progressive.jpg", encode(image, "JPEG", quality=85, progressive=True))
    save("restart.jpg", encode(image, "JPEG", quality=85, restart_marker_blocks=2))
    save("grey.jpg", encode(image.convert("L"), "JPEG", quality=90))
    save("rgb.jpg", encode(image, "JPEG", quality=90, keep_rgb=True))
    cmyk = Image.fromarray(np.concatenate([255 - np.array(image), np.array(image)[..., 1:2] // 3], -1), "CMYK")
    plain = encode(cmyk, "JPEG", quality=90)
    save("cmyk.jpg", plain)
    # YCCK: the three colours as YCbCr (Pillow inverts on writing, hence 255 -), and the marker says so.
    ycc = 255 - np.array(image.convert("YCbCr"))
    ycck = encode(Image.fromarray(np.concatenate([ycc, np.array(cmyk)[..., 3:]], -1), "CMYK"), "JPEG", quality=90)
    at = ycck.index(b"Adobe") + 11
    assert ycck[at] == 0
    save("ycck.jpg", ycck[:at] + b"\x02" + ycck[at + 1:])
    at = plain.index(b"Adobe") - 4
    save("cmyk-without-adobe.jpg", plain[:at] + plain[at + 16:])

    small = Image.fromarray(photo(11, 7, 5))
    for value in range(1, 9):
        save(f"orientation{value}.jpg", encode(small, "JPEG", quality=95, exif=b"Exif\0\0" + exif(value, value % 2)))
    save("orientation6.png", png(np.array(small), 8, 2, chunks=[(b"eXIf", exif(6, True))]))
    save("orientation8.webp", encode(small, "WEBP", lossless=True, exif=exif(8, False)))
    write_ppm(OUT / "orientation6-stored.ppm", np.array(small))


# --- WebP and GIF ---


def make_webp():
    rgb = photo(27, 18, 6)
    alpha = np.linspace(0, 255, 27 * 18).astype(np.uint8).reshape(18, 27, 1)
    rgba = Image.fromarray(np.concatenate([rgb, alpha], -1))
    other = Image.fromarray(255 - np.concatenate([rgb, 255 - alpha], -1))
    save("lossy.webp", encode(Image.fromarray(rgb), "WEBP", quality=80))
    save("lossless.webp", encode(Image.fromarray(rgb), "WEBP", lossless=True))
    save("alpha.webp", encode(rgba, "WEBP", quality=80))
    save("alpha-lossless.webp", encode(rgba, "WEBP", lossless=True, exact=True))
    save("animated.webp", encode(rgba, "WEBP", save_all=True, append_images=[other], lossless=True))


def make_gif():
    image = Image.fromarray(photo(22, 17, 7)).quantize(61)
    save("plain.gif", encode(image, "GIF", interlace=0))
    save("interlaced.gif", encode(image, "GIF", interlace=1))
    save("transparent.gif", encode(image, "GIF", transparency=5))
    save("two-colors.gif", encode(Image.fromarray(photo(9, 5, 8)).convert("1"), "GIF"))
    frames = [Image.fromarray(photo(22, 17, s)).quantize(40) for s in (9, 10, 11)]
    save("animated.gif", encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50))
    # Long enough for the code table to fill up: pixels of 256 colours without a pattern.
    noise = np.random.default_rng(12).integers(0, 256, (64, 66)).astype(np.uint8)
    full = Image.fromarray(noise)
    full.putpalette(np.random.default_rng(13).integers(0, 256, 768).astype(np.uint8).tobytes())
    save("full-table.gif", encode(full, "GIF"))

    def moved(data, screen, corner):
        """The frame on a screen of another size, at a corner."""
        at = data.index(struct.pack("<HHHH", 0, 0, 22, 17), 13)
        return (data[:6] + struct.pack("<HH", *screen) + data[10:at] + struct.pack("<HH", *corner) + data[at + 4:])

    uncovered = np.full((25, 30, 3), 255, np.uint8)
    uncovered[3:20, 5:27] = np.array(image.convert("RGB"))
    save("small-frame.gif", moved(encode(image, "GIF"), (30, 25), (5, 3)), uncovered)
    save("small-frame-transparent.gif", moved(encode(image, "GIF", transparency=5), (30, 25), (5, 3)))
    save("beyond-screen.gif", moved(encode(image, "GIF"), (10, 20), (3, 4)))


# --- BMP, TGA, PNM, PSD ---


def bmp(header, palette, pixels):
    offset = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + header + palette + pixels


def info_header(width, height, bits, compression, size=0, colors=0):
    return struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, size, 2835, 2835, colors, 0)


def padded(rows):
    return b"".join(r + b"\0" * (-len(r) % 4) for r in rows)


def make_bmp():
    image = Image.fromarray(photo(21, 13, 14))
    rgb = np.array(image)
    height, width, _ = rgb.shape
    save("rgb.bmp", encode(image, "BMP"))
    save("grey.bmp", encode(image.convert("L"), "BMP"))
    save("bits1.bmp", encode(image.convert("1"), "BMP"))
    save("palette.bmp", encode(image.quantize(50), "BMP"))
    bottom_up = rgb[::-1]
    save("top-down.bmp", bmp(info_header(width, -height, 24, 0), b"", padded(r[:, ::-1].tobytes() for r in rgb)))
    old = struct.pack("<IHHHH", 12, width, height, 1, 24)
    save("os2.bmp", bmp(old, b"", padded(r[:, ::-1].tobytes() for r in bottom_up)))
    wide = bottom_up.astype(np.uint32)
    v555 = (wide[..., 0] >> 3 << 10 | wide[..., 1] >> 3 << 5 | wide[..., 2] >> 3).astype("<u2")
    save("bits16.bmp", bmp(info_header(width, height, 16, 0), b"", padded(r.tobytes() for r in v555)))
    v565 = (wide[..., 0] >> 3 << 11 | wide[..., 1] >> 2 << 5 | wide[..., 2] >> 3).astype("<u2")
    masks = struct.pack("<III", 0xf800, 0x7e0, 0x1f)
    save("masks565.bmp", bmp(info_header(width, height, 16, 3), masks, padded(r.tobytes() for r in v565)))
    fourth = np.arange(height * width, dtype=np.uint32).reshape(height, width) & 255
    v32 = (fourth << 24 | wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]).astype("<u4")
    save("bits32.bmp", bmp(info_header(width, height, 32, 0), b"", v32.tobytes()))
    v5 = (struct.pack("<IiiHHIIiiII", 124, width, height, 1, 32, 3, 0, 2835, 2835, 0, 0)
          + struct.pack("<IIIII", 0xff0000, 0xff00, 0xff, 0xff000000, 0x73524742) + bytes(124 - 60))
    save("alpha.bmp", bmp(v5, b"", v32.tobytes()))

    index = np.array(image.quantize(16))
    colors = np.random.default_rng(15).integers(0, 256, (16, 4)).astype(np.uint8)
    colors[:, 3] = 0
    expected = colors[index][..., 2::-1]
    four = [bytes(a << 4 | b for a, b in zip(r[::2], np.append(r[1::2], 0))) for r in index[::-1]]
    save("bits4.bmp", bmp(info_header(width, height, 4, 0, colors=16), colors.tobytes(), padded(four)), expected)

    def rle8(rows):
        out = bytearray()
        for row in rows:
            out += bytes([3, row[0]]) if (row[:3] == row[0]).all() else bytes([0, 3, *row[:3], 0])
            for v in row[3:]:
                out += bytes([1, v])
            out += b"\0\0"
        return bytes(out) + b"\0\1"

    def rle4(rows):
        out = bytearray()
        for row in rows:
            out += bytes([0, 5, row[0] << 4 | row[1], row[2] << 4 | row[3], row[4] << 4, 0])
            for a, b in zip(row[5::2], row[6::2]):
                out += bytes([2, a << 4 | b])
            out += b"\0\0"
        return bytes(out) + b"\0\1"

    data = rle8(index[::-1])
    save("rle8.bmp", bmp(info_header(width, height, 8, 1, len(data), 16), colors.tobytes(), data), expected)
    data = rle4(index[::-1])
    save("rle4.bmp", bmp(info_header(width, height, 4, 2, len(data), 16), colors.tobytes(), data), expected)


def make_tga():
    image = Image.fromarray(photo(19, 11, 16))
    alpha = Image.fromarray(np.linspace(0, 255, 19 * 11).astype(np.uint8).reshape(11, 19))
    rgba = image.copy()
    rgba.putalpha(alpha)
    flat = Image.fromarray(np.array(image) // 64 * 64)  # has runs
    save("rgb.tga", encode(image, "TGA"))
    save("rgb-top-down.tga", encode(image, "TGA", orientation=1))
    save("rgb-runs.tga", encode(flat, "TGA", compression="tga_rle"))
    save("rgba.tga", encode(rgba, "TGA"))
    save("rgba-runs.tga", encode(rgba, "TGA", compression="tga_rle"))
    save("grey.tga", encode(image.convert("L"), "TGA"))
    save("grey-runs.tga", encode(flat.convert("L"), "TGA", compression="tga_rle", id_section=b"a comment"))
    save("grey-alpha.tga", encode(rgba.convert("LA"), "TGA"))
    save("mapped.tga", encode(image.quantize(40), "TGA"))
    save("mapped-runs.tga", encode(flat.quantize(20), "TGA", compression="tga_rle"))
    wide = np.array(image).astype(np.uint32) >> 3
    v = (wide[..., 0] << 10 | wide[..., 1] << 5 | wide[..., 2]).astype("<u2")
    header = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 19, 11, 16, 0x20)
    save("bits16.tga", header + v.tobytes(), (wide * 255 // 31).astype(np.uint8))


def make_pnm():
    rgb = photo(13, 9, 17)
    height, width, _ = rgb.shape
    grey = rgb[..., 0]
    save("binary.ppm", b"P6 %d %d 255\n" % (width, height) + rgb.tobytes(), rgb)
    save("comments.ppm", b"P6\n# made by hand\n%d # width\n%d\n255\n" % (width, height) + rgb.tobytes(), rgb)
    save("text.ppm", b"P3\n%d %d\n255\n" % (width, height) + "\n".join(map(str, rgb.ravel())).encode())
    save("maximum15.ppm", b"P6\n%d %d\n15\n" % (width, height) + (rgb >> 4).tobytes())
    deep = rgb.astype(">u2") * 100 + 7
    save("deep.ppm", b"P6\n%d %d\n30000\n" % (width, height) + deep.tobytes())
    save("binary.pgm", b"P5\n%d %d\n255\n" % (width, height) + grey.tobytes())
    save("text.pgm", b"P2\n%d %d\n199\n" % (width, height) + " ".join(map(str, np.minimum(grey, 199).ravel())).encode())
    bits = grey > 128
    save("binary.pbm", b"P4\n%d %d\n" % (width, height) + np.packbits(bits, axis=1).tobytes())
    save("text.pbm", b"P1\n%d %d\n" % (width, height) + "".join("01"[int(b)] for b in bits.ravel()).encode())


def make_psd():
    rgb = photo(14, 10, 22)
    flat = rgb // 64 * 64  # has runs

    def psd(compression, planes, bits=8):
        head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, *rgb.shape[:2], bits, 3)
        resource = struct.pack(">4sHHI", b"8BIM", 4000, 0, 4) + b"some"
        sections = struct.pack(">II", 0, len(resource)) + resource + struct.pack(">I", 0)
        return head + sections + struct.pack(">H", compression) + planes

    def packbits(row):
        """Runs of one value, or else one literal."""
        out, at = bytearray(), 0
        while at < len(row):
            end = at
            while end < len(row) and row[end] == row[at]:
                end += 1
            out += bytes([257 - (end - at), row[at]]) if end - at > 1 else bytes([0, row[at]])
            at = end
        return bytes(out)

    save("raw.psd", psd(0, rgb.transpose(2, 0, 1).tobytes()))
    rows = [packbits(row.tobytes()) for plane in flat.transpose(2, 0, 1) for row in plane]
    save("packbits.psd", psd(1, struct.pack(f">{len(rows)}H", *map(len, rows)) + b"".join(rows)))
    deep = rgb.astype(">u2") << 8 | 77
    save("deep.psd", psd(0, deep.astype(">u2").transpose(2, 0, 1).tobytes(), 16), rgb)


# --- Resizing ---


def make_resize():
    """resize.txt: a line a case: source, box (x y width height), size, filter number, file of the result."""
    sources = {"wide": photo(61, 43, 20), "tall": photo(23, 70, 21)}
    lines = []
    for name, pixels in sources.items():
        write_ppm(OUT / f"resize-{name}.ppm", pixels)
        height, width, _ = pixels.shape
        whole = (0, 0, width, height)
        cases = [(whole, (31, 17)), (whole, (90, 25)), (whole, (20, 80)), (whole, (width, 19)), (whole, (11, height)),
                 ((3, 5, 17, 29), (32, 32)), ((1, 2, 20, 37), (20, 11)), ((9, 9, 1, 1), (3, 2)), (whole, (1, 1)),
                 # the height loses exactly twice as many pixels as the width: Pillow 13 still takes the width first
                 ((0, 0, 21, 30), (16, 20)),
                 # far more than twice as many, while the width loses some as well: the height first
                 ((0, 0, 21, 40), (20, 12))]
        for k, (box, size) in enumerate(cases):
            x, y, w, h = box
            part = Image.fromarray(pixels).crop((x, y, x + w, y + h))
            for number in range(6):
                if number not in (2, 3) and k % 3:
                    continue  # every filter on a third of the cases, the two common ones on all
                file = f"resize-{name}-{k}-{number}.ppm"
                write_ppm(OUT / file, np.array(part.resize(size, Image.Resampling(number))))
                lines.append(f"resize-{name}.ppm {x} {y} {w} {h} {size[0]} {size[1]} {number} {file}\n")
    (OUT / "resize.txt").write_text("".join(lines))


def main():
    OUT.mkdir(exist_ok=True)
    for old in OUT.iterdir():
        old.unlink()
    make_png()
    make_jpeg()
    make_webp()
    make_gif()
    make_bmp()
    make_tga()
    make_pnm()
    make_psd()
    make_resize()


if __name__ == "__main__":
    main()
