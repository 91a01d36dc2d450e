#!/bin/sh
# TypeScript → Python twice at once: two handlers of one service, of which neither comes first. One
# counter for each service would say that one does. Arguments go to `towline probe`.
set -eu
exec "$(dirname "$0")/../examples/services.sh" run -- typescript --calls - "$@" <<'END'
{"mode": "parallel", "calls": [{"url": "python"}, {"url": "python"}]}
END
