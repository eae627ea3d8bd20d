#!/bin/sh
# The whole job on real walks. "make demo" calls it with BIN (programs), JOBS (worker processes) and a folder.
set -eu
OUT=$1
mgdata() { "$BIN/mgdata" "$@"; }
mgtrain() { "$BIN/mgtrain" "$@"; }
say() { printf '\n== %s\n' "$*"; }
START=$(date +%s)

say "mocap of real walks -> bodies -> labels -> silhouettes from 11 views -> shards"
mgdata build cmu_walk --out "$OUT/shards" --jobs "$JOBS"
mgdata verify "$OUT/shards" --deep
mgdata show cmu_walk/35/02 --shards "$OUT/shards" --out "$OUT/all_views.png"
mgdata show cmu_walk/35/02/072 --shards "$OUT/shards" --out "$OUT/contact_sheet.png"

for name in demo demo_without_3d; do
  say "train $name"
  mgtrain run "$name" --shards "$OUT/shards" --out "$OUT/runs/$name"
  say "evaluate $name on people it never saw"
  mgtrain eval "$OUT/runs/$name"
done

say "side by side"
mgtrain compare "$OUT/runs/demo" "$OUT/runs/demo_without_3d" --out "$OUT"
say "done in $(($(date +%s) - START)) s; look at $OUT/contact_sheet.png and $OUT/curves.png"
