#!/usr/bin/env python3
"""Builds the documentation as a site with mdBook, and checks every link in it.

    hack/site.py MDBOOK FOLDER

The pages stay where they are in the repository. FOLDER/src gets those that docs/SUMMARY.md lists, what they link to,
and a page for each linked folder of examples that has none; FOLDER/book is the site. Ends with 1 if a link leads
nowhere.
"""

import html.parser
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A piece of code, which is kept, or the end of a link.
LINK = re.compile(r"(?:`[^`\n]*`)|(\]\()([^)\s]+)(\))")
LANGUAGES = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".sh": "sh"}


def is_relative(target):
    return "://" not in target and not target.startswith(("mailto:", "#"))


def index(file):
    """The first page of a folder, as a server of the site finds it."""
    return re.sub(r"(^|/)README[.]md$", r"\1index.md", file)


def outside_code(text, change):
    """Applies `change` to what is not in a fence."""
    parts = re.split(r"(^```.*?^```$)", text, flags=re.M | re.S)
    return "".join(part if part.startswith("```") else change(part) for part in parts)


class Stage:
    """The sources of the book."""

    def __init__(self, folder):
        self.folder = folder
        self.waiting = []
        self.done = set()
        self.examples = []

    def add(self, path):
        if path not in self.done:
            self.done.add(path)
            self.waiting.append(path)

    def link(self, page, match):
        """The same link, as the book needs it; what it leads to becomes part of the book."""
        target = match.group(2)
        if target is None or not is_relative(target):
            return match.group(0)
        file, mark, anchor = target.partition("#")
        path = (page.parent / urllib.parse.unquote(file)).resolve()
        if path.is_dir():
            if not (path / "README.md").exists():
                self.examples.append(path)
            path, file = path / "README.md", file.rstrip("/") + "/README.md"
        self.add(path)
        return f"{match.group(1)}{index(file)}{mark}{anchor}{match.group(3)}"

    def write(self, path, text):
        goal = self.folder / index(str(path.relative_to(ROOT)))
        goal.parent.mkdir(parents=True, exist_ok=True)
        goal.write_text(text)

    def run(self):
        while self.waiting:
            path = self.waiting.pop()
            if path.suffix == ".md" and path.exists():
                text = path.read_text()
                self.write(path, outside_code(text, lambda part: LINK.sub(lambda m: self.link(path, m), part)))
            elif path.exists():
                goal = self.folder / path.relative_to(ROOT)
                goal.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, goal)
            elif path.parent in self.examples:
                self.write(path, folder_page(path.parent))


def folder_page(folder):
    """A page with every file of a folder."""
    name = folder.relative_to(ROOT)
    parts = [f"# {name}\n"]
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        parts.append(f"## {file.relative_to(folder)}\n\n```{LANGUAGES.get(file.suffix, '')}\n{file.read_text()}```\n")
    return "\n".join(parts)


def stage(folder):
    source = folder / "src"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    # The version is in the title of each page, so that sites of several versions can be told apart.
    version = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
    book = (ROOT / "docs/book.toml").read_text()
    (folder / "book.toml").write_text(re.sub(r'^(title = ".*)"$', rf'\1 {version}"', book, flags=re.M))
    summary = (ROOT / "docs/SUMMARY.md").read_text()
    stage = Stage(source)
    listed = {(ROOT / "docs" / match.group(2)).resolve() for match in LINK.finditer(summary) if match.group(2)}
    for page in listed:
        stage.add(page)
    stage.run()
    moved = LINK.sub(
        lambda m: f"]({index(str((ROOT / 'docs' / m.group(2)).resolve().relative_to(ROOT)))})", summary)
    pages = {path for path in stage.done if path.suffix == ".md"} - listed
    examples = sorted(path for path in pages if path.parent in stage.examples)
    lost = sorted(str(path.relative_to(ROOT)) for path in pages - set(examples))
    if lost:
        sys.exit(f"docs/SUMMARY.md does not list: {', '.join(lost)}")
    if examples:
        rows = [f"- [{path.parent.name}]({index(str(path.relative_to(ROOT)))})" for path in examples]
        moved = moved.rstrip("\n") + "\n\n# Examples\n\n" + "\n".join(rows) + "\n"
    (source / "SUMMARY.md").write_text(moved)
    return len(listed) + len(examples)


class Page(html.parser.HTMLParser):
    """The links and the ids of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids = [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.update(value for name, value in attributes.items() if name in ("id", "name") and value)
        target = attributes.get({"a": "href", "img": "src"}.get(tag, ""))
        if target:
            self.links.append(target)


def check(book):
    """The links that lead nowhere, and how many were checked."""
    pages = {path: Page(path) for path in book.rglob("*.html")}
    wrong, checked = [], 0
    for path, page in pages.items():
        # Shown at any path, with links of its own.
        if path.name in ("404.html", "print.html", "toc.html"):
            continue
        for target in page.links:
            if "://" in target or target.startswith(("mailto:", "data:")):
                continue
            checked += 1
            file, _, anchor = target.partition("#")
            goal = (path.parent / urllib.parse.unquote(file)).resolve() if file else path
            goal = goal / "index.html" if goal.is_dir() else goal
            if not goal.exists():
                wrong.append(f"{path.relative_to(book)}: {target}: no such page")
            elif anchor and goal in pages and urllib.parse.unquote(anchor) not in pages[goal].ids:
                wrong.append(f"{path.relative_to(book)}: {target}: no such heading")
    return wrong, checked


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    mdbook, folder = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    pages = stage(folder)
    built = subprocess.run([mdbook, "build", folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    # Of a warning, too, all is shown; a page that mdBook doubts is to be mended.
    if built.returncode != 0 or re.search(r"\b(WARN|ERROR)\b", built.stdout):
        sys.exit(f"{built.stdout}mdBook ended with {built.returncode}")
    wrong, checked = check(folder / "book")
    if wrong:
        sys.exit("\n".join(sorted(set(wrong))))
    print(f"site: {pages} pages, {checked} links")


if __name__ == "__main__":
    main()
