# SPDX-License-Identifier: Apache-2.0
"""A picture of the start bench: one bar for each way to start a function, on a logarithmic scale.

picture(rows) takes the bench's rows and returns SVG text; it needs no library and no network, and
what it draws depends on the rows alone.
"""
import html
import math

# What each arm is, for readers; others go by their names.
NAMES = {
    "fork_exec_native": "native, bare fork+exec",
    "vfork_exec_native": "native, bare vfork+exec",
    "process_native_none": "native, Berth's sandbox, own network",
    "process_native_host": "native, Berth's sandbox, host's network",
    "process_native_nat": "native, Berth's sandbox, NAT",
    "bare_python": "Python, bare",
    "process_python_plain": "Python, Berth's sandbox, from nothing",
    "process_python_zygote": "Python, Berth's sandbox, from a zygote",
    "bare_nodejs": "Node.js, bare",
    "process_nodejs": "Node.js, Berth's sandbox",
    "bwrap": "native, bubblewrap",
    "crun": "native, crun",
    "runc": "native, runc",
    "docker_pooled_net": "native, Berth's docker plugin, pooled network",
    "docker_bridge": "native, Berth's docker plugin, bridge",
    "docker_none": "native, Berth's docker plugin, no network",
    "docker_host": "native, Berth's docker plugin, host's network",
    "engine_api_none": "native, Engine API, no network",
    "engine_api_bridge": "native, Engine API, bridge",
    "docker_run_none": "native, docker run, no network",
    "docker_run_bridge": "native, docker run, bridge",
}
LEFT, WIDTH, ROW, TOP, RIGHT = 320, 460, 26, 64, 120


def kind(metric):
    """Ours, bare, or another's: the colour of its bar."""
    if metric.startswith("process_") or metric in ("docker_pooled_net", "docker_bridge", "docker_none", "docker_host"):
        return "#2a6f97"
    return "#8a8f98" if metric.startswith(("bare_", "fork_", "vfork_")) else "#c9863a"


def duration(microseconds):
    if microseconds < 1000:
        return f"{microseconds:.0f} µs"
    return f"{microseconds / 1000:.{1 if microseconds < 100_000 else 0}f} ms"


def picture(rows):
    """SVG of the medians of all arms that start something. Raises ValueError if there are none."""
    tails = {row["metric"][:-4]: row["value"] for row in rows if row["metric"].endswith("_p99")}
    arms = [(row["metric"], row["value"], tails[row["metric"]]) for row in rows
            if row["bench"] == "start" and row["unit"] == "us" and row["metric"] in tails
            and row["metric"] in NAMES]
    if not arms:
        raise ValueError("there are no starts to draw: run the bench `start`")
    arms.sort(key=lambda arm: arm[1])
    low = 10 ** math.floor(math.log10(min(value for _, value, _ in arms)))
    high = 10 ** math.ceil(math.log10(max(max(value, tail) for _, value, tail in arms)))

    def x(value):
        return LEFT + WIDTH * math.log(value / low) / math.log(high / low)

    height = TOP + ROW * len(arms) + 40
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}" '
        f'viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{LEFT + WIDTH + RIGHT}" height="{height}" fill="#ffffff"/>',
        '<text x="16" y="24" font-size="16" font-weight="bold">From asking for a function to its first HTTP byte</text>',
        '<text x="16" y="44" fill="#555">median; the thin line ends at p99; logarithmic; one interleaved run</text>',
    ]
    power = low
    while power <= high * 1.001:
        out.append(f'<line x1="{x(power):.1f}" y1="{TOP - 6}" x2="{x(power):.1f}" y2="{height - 30}" stroke="#ddd"/>')
        out.append(f'<text x="{x(power):.1f}" y="{height - 12}" text-anchor="middle" fill="#555">{duration(power)}</text>')
        power *= 10
    for index, (metric, value, tail) in enumerate(arms):
        y = TOP + ROW * index
        middle = y + ROW / 2 - 3
        out.append(f'<text x="{LEFT - 10}" y="{y + 14}" text-anchor="end">{html.escape(NAMES[metric])}</text>')
        out.append(f'<line x1="{x(value):.1f}" y1="{middle:.1f}" x2="{x(tail):.1f}" y2="{middle:.1f}" stroke="{kind(metric)}"/>')
        out.append(f'<rect x="{LEFT}" y="{y}" width="{max(x(value) - LEFT, 1):.1f}" height="{ROW - 7}" fill="{kind(metric)}"/>')
        out.append(f'<text x="{x(max(value, tail)) + 6:.1f}" y="{y + 14}">{duration(value)}</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"
