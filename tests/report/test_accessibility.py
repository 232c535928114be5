"""Pages by axe-core, a reference for WCAG 2.2 AA: no page has a fault, light or dark, wide or as on a phone.

`make accessibility` fetches axe-core and runs these; they need Chromium.
"""

from __future__ import annotations

import html
import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.studies.test_run_page import CHROMIUM
from tests.studies.test_study import CHIP, COMMANDS, WORK, call

AXE = Path(__file__).parents[2] / ".venv" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = {
    **COMMANDS,
    "metrics.json": ["run", CHIP, WORK, "--examples", "40"],
    "crosscheck": ["crosscheck", CHIP, WORK, "--examples", "40"],
}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DRIVER = """
<pre id="axe-out"></pre><script>AXE</script><script>
document.querySelectorAll("details").forEach(function (fold) { fold.open = true; });
axe.run({exclude: ["#axe-out"]}, {runOnly: {type: "tag", values: RULES}}).then(function (found) {
  var faults = found.violations.map(function (each) {
    return [each.id, each.help, each.nodes.length, each.nodes[0].html.slice(0, 200)];
  });
  document.getElementById("axe-out").textContent = JSON.stringify({
    dark: matchMedia("(prefers-color-scheme: dark)").matches, passes: found.passes.length, faults: faults});
});
</script>
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None or not AXE.is_file(), reason="make accessibility fetches axe-core"),
]


@pytest.fixture(scope="module", params=[*PAGES, "index"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study, with axe-core in it, which the page's own policy would not let run."""
    folder = tmp_path_factory.mktemp("page")
    if request.param == "index":
        for name in ("metrics.json", "sweep.json"):
            assert call([*PAGES[name], "--quiet", "--out", str(folder / "o" / name)]) == 0
        assert call(["report", "--index", str(folder / "o")]) == 0
    else:
        assert call([*PAGES[request.param], "--quiet", "--out", str(folder / "o")]) == 0
    (made,) = (folder / "o").glob("*.html")
    text = re.sub(r"<meta http-equiv=.?Content-Security-Policy[^>]*>", "", made.read_text("utf-8"))
    own = DRIVER.replace("RULES", json.dumps(RULES)).replace("AXE", AXE.read_text("utf-8").replace("</script>", ""))
    body, end = text.rsplit("</body>", 1)
    (folder / "page.html").write_text(f"{body}{own}</body>{end}", "utf-8")
    return folder / "page.html"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_no_fault(page: Path, dark: bool, width: int) -> None:
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--window-size={width},900",
        f"--user-data-dir={page.parent / 'profile'}", f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        "--virtual-time-budget=60000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, encoding="utf-8")
    dumped = re.search(r'<pre id="axe-out">(.*?)</pre>', done.stdout, re.DOTALL)
    assert dumped, done.stderr
    found = json.loads(html.unescape(dumped[1]))
    assert found["dark"] is dark
    assert found["passes"] > 20
    assert found["faults"] == []
