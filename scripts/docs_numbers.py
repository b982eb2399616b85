"""The numbers that the docs quote: measured here, kept in docs/numbers.json, written between the docs' markers.

A marker is `<!-- numbers:NAME -->…<!-- /numbers -->`, around a table or within a sentence. scripts/numbers.sh has the
usage. Needs nothing but Python 3.9; `perceptual` also an ffmpeg with libvmaf in $FFMPEG and, for LPIPS, the file in
$FEATURES that scripts/features.py makes of AlexNet.
"""

import json, os, platform, re, shlex, subprocess, sys, tempfile
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parent.parent
NUMBERS = ROOT / "docs/numbers.json"
DOCS = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "models/README.md", "docs/engines.md"]
PROGRAM = os.environ.get("CLEARCALL", str(ROOT / "target/release/clearcall"))

FAITHFUL = ["nano", "small", "medium", "large"]
VIVID = ["small.vivid", "medium.vivid", "large.vivid"]
# Near-pristine clips at 960×720, on which gains are told; and real webcams' pictures, for flicker.
SHARP = ["reel1", "pair"]
WEBCAM = ["asl_eat", "asl_hungry", "asl_learn", "asl_walk"]
RATES = ["150k", "300k", "600k"]
SIZE = "480x360"


# Measuring ----------------------------------------------------------------------------------------------------------

def run(command, clips=None):
    """Runs a command whose first word may be `clearcall` and which may name clips; gives what it prints."""
    words = shlex.split(command)
    words = [PROGRAM if w == "clearcall" else str(clips / w) if clips and (clips / w).is_file() else w for w in words]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"numbers: `{command}` ended with exit code {done.returncode}")
    return done.stdout


def models(_clips):
    command = "clearcall models --json"
    keep = ["channels", "depth", "mac_per_pixel", "bytes"]
    return command, {m["name"]: {k: m[k] for k in keep} for m in json.loads(run(command))}


def bench_quality(clips, engine, networks):
    names = " ".join(f"{c}.mp4" for c in SHARP + WEBCAM)
    command = (f"clearcall bench quality {names} --bitrates {','.join(RATES)} --size {SIZE} --metrics psnr"
               f" --upscalers bicubic --models {','.join(networks)} --engine {engine} --json")
    rows = json.loads(run(command, clips))["rows"]
    values = {}
    for upscaler in ["bicubic"] + networks:
        own = [r for r in rows if r["upscaler"] == upscaler]
        sharp = [r for r in own if r["clip"] in SHARP]
        base = {(r["clip"], r["bitrate_bps"]["target"]): r for r in rows if r["upscaler"] == "bicubic"}
        ratios = [r["flicker"] / base[r["clip"], r["bitrate_bps"]["target"]]["flicker"] for r in own]
        values[upscaler] = {
            "flicker": mean(r["flicker"] for r in own),
            "flicker_truth": mean(r["flicker_truth"] for r in own),
            "flicker_of_bicubic": mean(ratios),
            "flicker_of_bicubic_most": max(ratios),
            "flicker_sharp": mean(r["flicker"] for r in sharp),
            "flicker_truth_sharp": mean(r["flicker_truth"] for r in sharp),
            "grain_reel1": mean(r["grain"] for r in sharp if r["clip"] == "reel1"),
            "grid_reel1": mean(r["grid"] for r in sharp if r["clip"] == "reel1"),
            "luma_shift_most": max(abs(r["luma_shift"]) for r in own),
        }
        if upscaler != "bicubic":
            values[upscaler] |= {
                "gain": mean(r["gain"]["psnr_y"] for r in sharp),
                "gain_least": min(r["gain"]["psnr_y"] for r in sharp),
                "gain_least_of_all": min(r["gain"]["psnr_y"] for r in own),
            }
    return command, values


def quality(clips):
    return bench_quality(clips, "cpu", FAITHFUL + VIVID)


def int8(clips):
    return bench_quality(clips, "cpu-int8", FAITHFUL)


def perceptual(clips):
    """VMAF-NEG of the files that `encode` and `upscale` write, less bicubic's on the same; LPIPS by `bench quality`."""
    ffmpeg, features = os.environ.get("FFMPEG", "ffmpeg"), os.environ.get("FEATURES")
    encode = "clearcall encode CLIP.mp4 -o LOW.264 --size %s --bitrate RATE" % SIZE
    upscale = "clearcall upscale LOW.264 -o HIGH.y4m --engine cpu UPSCALER"
    scores = {}
    with tempfile.TemporaryDirectory() as folder:
        low, high, truth = f"{folder}/low.264", f"{folder}/high.y4m", f"{folder}/truth.y4m"
        for clip in SHARP:
            run(f"{ffmpeg} -v error -y -i {clip}.mp4 -f yuv4mpegpipe -pix_fmt yuv420p -strict -1 {truth}", clips)
            for rate in RATES:
                run(encode.replace("CLIP", clip).replace("LOW.264", low).replace("RATE", rate), clips)
                for name in ["bicubic"] + FAITHFUL + VIVID:
                    how = "--upscaler bicubic" if name == "bicubic" else f"--upscaler cnn --model {name}"
                    how = upscale.replace("LOW.264", low).replace("HIGH.y4m", high).replace("UPSCALER", how)
                    run(how)
                    both = ";".join(f"[{i}:v]setparams=range=tv,setpts=N/30/TB[{n}]" for i, n in enumerate("ab"))
                    vmaf = f"[a][b]libvmaf=n_threads=2:log_fmt=json:log_path={folder}/log:model='version=vmaf_v0.6.1neg'"
                    run(f"{ffmpeg} -v error -i {high} -i {truth} -lavfi {shlex.quote(f'{both};{vmaf}')} -f null -")
                    log = json.loads(Path(f"{folder}/log").read_text())
                    scores[clip, rate, name] = log["pooled_metrics"]["vmaf"]["mean"]
    values = {}
    for name in FAITHFUL + VIVID:
        gains = [s - scores[c, r, "bicubic"] for (c, r, n), s in scores.items() if n == name]
        values[name] = {"vmaf_neg_gain": mean(gains), "vmaf_neg_gain_least": min(gains)}
    commands = [encode, upscale]
    if features:
        commands.append(f"clearcall bench quality {' '.join(f'{c}.mp4' for c in SHARP)} --bitrates {','.join(RATES)}"
                        f" --size {SIZE} --metrics lpips --features FEATURES --every 6 --upscalers bicubic"
                        f" --models {','.join(FAITHFUL + VIVID)} --engine cpu --json")
        report = json.loads(run(commands[-1].replace("FEATURES", shlex.quote(features)), clips))
        for upscaler in report["means"]:
            if upscaler["upscaler"] != "bicubic":
                values[upscaler["upscaler"]]["lpips_change"] = upscaler["gain"]["lpips"] - 1
    return "; ".join(commands), values


def speed(_clips):
    command = f"clearcall bench speed --engine cpu --size {SIZE} --json"
    report = json.loads(run(command))
    values = dict(report["cpu"])
    for row in report["rows"]:
        keep = ["complete_ms", "network_ms", "share_of_peak"]
        values.setdefault(row["model"], {})[row["precision"]] = {k: row[k] for k in keep}
    return command, values


def call(_clips):
    with tempfile.TemporaryDirectory() as folder:
        report = f"{folder}/r.json"
        command = "clearcall call --headless --source scene --seconds 10 --report r.json"
        run(command.replace("r.json", report))
        report = json.loads(Path(report).read_text())
    keep = ["engine", "model", "age_ms", "bitrate_bps", "qp"]
    return command, {k: report[k] for k in keep} | {"frames_shown": report["frames"]["shown"]}


MEASUREMENTS = {f.__name__: f for f in [models, quality, int8, perceptual, speed, call]}


def machine():
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
        cpu = names[0] if names else cpu
    elif sys.platform == "darwin":
        cpu = subprocess.check_output(["sysctl", "-n", "machdep.cpu.brand_string"], text=True).strip()
    return {"cpu": cpu, "cores": os.cpu_count()}


def commit():
    git = lambda *words: subprocess.check_output(["git", "-C", str(ROOT), *words], text=True).strip()
    changed = git("status", "--porcelain", "--", "src", "shaders", "models/*.safetensors", "Cargo.lock")
    return git("rev-parse", "--short=12", "HEAD") + (" with changes" if changed else "")


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else value


def measure(clips, names):
    missing = [c for c in SHARP + WEBCAM if not (clips / f"{c}.mp4").is_file()]
    if missing and {"quality", "int8", "perceptual"} & set(names):
        sys.exit(f"numbers: {clips} has no {missing[0]}.mp4; give the folder that has {', '.join(SHARP + WEBCAM)}")
    for name in names:
        print(f"measuring {name}", file=sys.stderr)
        command, values = MEASUREMENTS[name](clips)
        # Read anew each time: what was measured is never lost when a later part fails.
        numbers = json.loads(NUMBERS.read_text()) if NUMBERS.exists() else {}
        numbers[name] = {"commit": commit(), "machine": machine(), "command": command, "values": rounded(values)}
        NUMBERS.write_text(json.dumps({k: numbers[k] for k in MEASUREMENTS if k in numbers}, indent=1) + "\n")


# Writing ------------------------------------------------------------------------------------------------------------

def signed(value, digits):
    return f"{value:+.{digits}f}".replace("-", "−")


def table(*rows):
    head, *body = rows
    return "\n".join("| " + " | ".join(r) + " |" for r in [head, ["---"] * len(head), *body])


def source(numbers, *names):
    """Where a table's numbers come from."""
    lines = []
    for name in names:
        n = numbers[name]
        lines.append(f"Commit {n['commit']}, {n['machine']['cpu']}, {n['machine']['cores']} cores: `{n['command']}`")
    return "\n\n" + "  \n".join(lines)


def label(name):
    return f"{name[:-6]} with `--vivid 1`" if name.endswith(".vivid") else name


def gains(numbers):
    q, p = numbers["quality"]["values"], numbers["perceptual"]["values"]
    rows = [["model", "ΔPSNR-Y, mean (least)", "ΔVMAF-NEG, mean (least)", "LPIPS, change of bicubic's"]]
    for name in FAITHFUL + VIVID:
        psnr, neg = q[name], p[name]
        rows.append([
            label(name),
            f"{signed(psnr['gain'], 3)} dB ({signed(psnr['gain_least'], 3)})",
            f"{signed(neg['vmaf_neg_gain'], 2)} ({signed(neg['vmaf_neg_gain_least'], 2)})",
            f"{signed(100 * neg['lpips_change'], 1)} %" if "lpips_change" in neg else "",
        ])
    return table(*rows) + source(numbers, "quality", "perceptual")


def flicker(numbers):
    f32, bytes_ = numbers["quality"]["values"], numbers["int8"]["values"]
    rows = [["", "bicubic", *map(label, FAITHFUL + VIVID)]]
    for what, values in [("f32", f32), ("int8", bytes_)]:
        cells = lambda key, most=None: [
            "" if n not in values else f"{values[n][key]:.4f}" if most is None
            else f"{values[n][key]:.2f} ({values[n][most]:.2f})" for n in FAITHFUL + VIVID]
        rows.append([f"{what}: flicker, in codes", f"{values['bicubic']['flicker']:.4f}", *cells("flicker")])
        rows.append([f"{what}: of bicubic's, mean (most)", "", *cells("flicker_of_bicubic", "flicker_of_bicubic_most")])
        rows.append([f"{what}: `reel1` and `pair` alone", f"{values['bicubic']['flicker_sharp']:.4f}",
                     *cells("flicker_sharp")])
    return table(*rows) + source(numbers, "quality", "int8")


def int8_gains(numbers):
    f32, bytes_ = numbers["quality"]["values"], numbers["int8"]["values"]
    rows = [["ΔPSNR-Y, mean (least)", *FAITHFUL]]
    for what, values in [("f32", f32), ("int8", bytes_)]:
        rows.append([what] + [f"{signed(values[n]['gain'], 3)} dB ({signed(values[n]['gain_least'], 3)})"
                              for n in FAITHFUL])
    return table(*rows)


def grain(numbers):
    q = numbers["quality"]["values"]
    names = ["bicubic", *FAITHFUL, *VIVID]
    return table(["`reel1`, in codes", *map(label, names)],
                 ["grain", *[f"{q[n]['grain_reel1']:.2f}" for n in names]],
                 ["grid", *[f"{q[n]['grid_reel1']:.2f}" for n in names]])


def times(numbers):
    s = numbers["speed"]["values"]
    rows = [[f"{SIZE}, {s['threads']} threads, {s['simd']}", *FAITHFUL]]
    for what in ["f32", "int8"]:
        rows.append([f"{what}: complete / bare network, ms",
                     *[f"{s[n][what]['complete_ms']:.2f} / {s[n][what]['network_ms']:.2f}" for n in FAITHFUL]])
        rows.append([f"{what}: share of its peak", *[f"{100 * s[n][what]['share_of_peak']:.0f} %" for n in FAITHFUL]])
    rows.append(["int8 is so many times as fast", *[f"{ratio(s[n]):.1f}" for n in FAITHFUL]])
    peaks = f"\n\nPeak: {s['peak_f32_gflops']:.0f} GFLOPS in f32, {s['peak_int8_gops']:.0f} GOPS in int8."
    return table(*rows) + peaks + source(numbers, "speed")


def ratio(model):
    return model["f32"]["complete_ms"] / model["int8"]["complete_ms"]


def sizes(numbers):
    m = numbers["models"]["values"]
    of = [m[n] for n in FAITHFUL]
    return table(
        ["", *FAITHFUL],
        ["hidden channels, hidden layers", *[f"{v['channels']}, {v['depth']}" for v in of]],
        ["convolutions", *[str(v["depth"] + 2) for v in of]],
        ["MAC per low-resolution pixel", *[f"{v['mac_per_pixel']:,}" for v in of]],
        ["MAC a second at 480×360 and 30 fps", *[f"{v['mac_per_pixel'] * 480 * 360 * 30 / 1e9:.1f} G" for v in of]],
        ["bytes of the file", *[f"{v['bytes']:,}" for v in of]],
    )


def int8_speedup(numbers):
    all_ = [ratio(numbers["speed"]["values"][n]) for n in FAITHFUL]
    return f"{min(all_):.1f} to {max(all_):.1f} times"


def int8_loss(numbers):
    f32, bytes_ = numbers["quality"]["values"], numbers["int8"]["values"]
    return f"{max(f32[n]['gain'] - bytes_[n]['gain'] for n in FAITHFUL):.2f} dB"


def call_age(numbers):
    return f"{numbers['call']['values']['age_ms']['p50']:.0f} ms"


def gain_of(name):
    return lambda numbers: f"{numbers['quality']['values'][name]['gain']:.2f} dB"


def lpips_of(name):
    return lambda numbers: f"{-100 * numbers['perceptual']['values'][name]['lpips_change']:.0f} %"


TEXTS = {f.__name__: f for f in [gains, flicker, int8_gains, grain, times, sizes, int8_speedup, int8_loss, call_age]}
TEXTS |= {f"gain_{n}": gain_of(n) for n in FAITHFUL + VIVID}
TEXTS |= {f"lpips_{n}": lpips_of(n) for n in VIVID}

MARKED = re.compile(r"(<!-- numbers:([\w.]+) -->)(.*?)(<!-- /numbers -->)", re.S)


def written(path, text, numbers):
    """The document with what stands between its markers made anew."""
    def fill(match):
        begin, name, old, end = match.groups()
        if name not in TEXTS:
            sys.exit(f"numbers: {path} has the marker numbers:{name}, which scripts/docs_numbers.py does not know")
        try:
            new = TEXTS[name](numbers)
        except KeyError as missing:
            sys.exit(f"numbers: numbers:{name} in {path} needs {missing}, which docs/numbers.json lacks: measure it")
        return f"{begin}\n\n{new}\n\n{end}" if "\n" in new else f"{begin}{new}{end}"

    if text.count("<!-- numbers:") != len(MARKED.findall(text)):
        sys.exit(f"numbers: {path} has a marker numbers:… without its <!-- /numbers -->")
    return MARKED.sub(fill, text)


def main(words):
    if not words or words[0] in ("-h", "--help"):
        sys.exit("usage: scripts/numbers.sh CLIPS [" + "|".join(MEASUREMENTS) + "]… | --write | --check")
    check = words[0] == "--check"
    if not words[0].startswith("--"):
        unknown = [w for w in words[1:] if w not in MEASUREMENTS]
        if unknown:
            sys.exit(f"numbers: '{unknown[0]}' is none of {', '.join(MEASUREMENTS)}")
        measure(Path(words[0]), words[1:] or list(MEASUREMENTS))
    elif words not in (["--check"], ["--write"]):
        sys.exit(f"numbers: '{words[0]}' is no option of scripts/numbers.sh: it has --write and --check")
    numbers = json.loads(NUMBERS.read_text())
    stale = []
    for path in DOCS:
        text = (ROOT / path).read_text(encoding="utf-8")
        new = written(path, text, numbers)
        if new != text:
            stale.append(path)
            if not check:
                (ROOT / path).write_text(new, encoding="utf-8")
    if check and stale:
        sys.exit(f"numbers: {', '.join(stale)} differ from docs/numbers.json; run scripts/numbers.sh --write")


if __name__ == "__main__":
    main(sys.argv[1:])
