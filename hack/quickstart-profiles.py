#!/usr/bin/env python3
"""Writes examples/quickstart/40-candidates.yaml: 200 invented profiles from a fixed seed.

Every person, company, address and number is made up. E-mail addresses are under example.com and
example.org; telephone numbers are from ranges set aside for fiction. One profile, and only one,
has no e-mail address: the quickstart shows what becomes of it.

Run from the root of the repository: python3 hack/quickstart-profiles.py
With --check: fails when the committed file is not what this script writes.
"""

import json
import pathlib
import random
import sys
import unicodedata

COUNT = 200
WITHOUT_EMAIL = 137  # one-based
TARGET = pathlib.Path("examples/quickstart/40-candidates.yaml")

FIRST = """Adaeze Aiko Alejandra Amara Anders Anika Arjun Astrid Ayodele Beatriz Bjarne Camila Chidi
Ciara Dagny Daniela Dariusz Elif Emeka Esperanza Farah Fatou Felix Fiona Giulia Grace Hana Hassan
Henrik Imani Ines Ingrid Isamu Jamal Jasmin Joaquín Kaito Kamala Keisha Kwame Laila Leilani Lena
Linh Lucía Maeve Malik Marek Mateo Mei Mihai Min-jun Nadia Naveen Ngozi Nia Noor Oluwaseun Orla
Owen Paloma Petra Priya Quinn Rafael Ravi Renée Rosa Ruben Sadia Sanjay Saoirse Siobhán Sofia Soo-ah
Tadeusz Tamika Tariq Thandiwe Tomás Uma Valentina Viktor Wanjiru Wren Xiomara Yara Yusuf Zainab Zoë""".split()

LAST = """Abara Achterberg Adeyemi Almeida Andersdotter Asante Baptiste Bergström Bianchi Bosman
Byrne Castellanos Cheng Contreras Dahlgren Das Delacroix Demir Diallo Eriksen Esposito Falk Farouk
Fitzgerald Fujimoto Gallagher García-Ruiz Goldfarb Grünwald Hakimi Halvorsen Hashimoto Hoang Ibarra
Iyer Jansdotter Johal Kamau Kaplan Kaur Kovács Kowalczyk Lindqvist Lòpez Mahmoud Mbeki Mendoza
Moreau Murphy Mwangi Nakamura Ndiaye Nguyễn Novák O'Connell Okafor Olsen Osei Papadakis Park Patel
Pereira Petrov Quispe Rahman Ramaswamy Reyes Rivera Rosenthal Sandoval Sato Schneider Sharma Sithole
Söderberg Tanaka Tavares Thistlewood Tran Ueda Vasquez Villanueva Wójcik Yamada Yılmaz Zelenka Zhou""".split()

TRACKS = {
    "Backend Engineer": ["Rust", "Go", "PostgreSQL", "Kafka", "gRPC", "Kubernetes", "Redis", "Java"],
    "Platform Engineer": ["Kubernetes", "Terraform", "Rust", "Linux", "Prometheus", "Argo CD", "AWS", "Go"],
    "Data Engineer": ["Python", "Spark", "Airflow", "SQL", "dbt", "Snowflake", "Kafka", "Scala"],
    "Machine Learning Engineer": ["Python", "PyTorch", "CUDA", "MLflow", "SQL", "Ray", "Docker", "C++"],
    "Frontend Engineer": ["TypeScript", "React", "CSS", "GraphQL", "Vite", "Playwright", "Accessibility", "Svelte"],
    "Site Reliability Engineer": ["Linux", "Go", "Kubernetes", "Grafana", "Incident response", "Ansible", "Python", "eBPF"],
    "Security Engineer": ["Threat modelling", "Rust", "OAuth", "Penetration testing", "AWS", "Go", "SIEM", "Cryptography"],
    "Mobile Engineer": ["Kotlin", "Swift", "GraphQL", "Jetpack Compose", "SwiftUI", "CI", "REST", "Accessibility"],
    "Engineering Manager": ["Hiring", "Roadmaps", "Coaching", "Budgeting", "Go", "Agile", "Stakeholders", "Delivery"],
    "Product Designer": ["Figma", "User research", "Prototyping", "Design systems", "Accessibility", "CSS", "Workshops", "Copy"],
}
LEVELS = ["", "Senior ", "Staff ", "Lead "]

COMPANIES = """Bluebarrow Cindergate Copperleaf-Fictional Driftmoor Emberline Fernhollow Glasswren
Harborquill Ironpetal Juniperfold Kestrelbyte Lanternfish Mosswick Nimbuscart Oakenrelay Pebblestack
Quillhaven Rookery-Labs Saltmarsh-Systems Thistlepay Umbra-Freight Velvetpine Willowgrid Yarrowtech""".split()

SCHOOLS = ["Northmere University", "Institute of Technology, Halden Bay", "Universidad de la Ribera Alta",
           "Kestrel Valley College", "Lagos Shore Polytechnic (fictional)", "Technische Hochschule Auental"]
DEGREES = ["BSc", "MSc", "BEng", "MEng", "PhD"]
FIELDS = ["Computer Science", "Electrical Engineering", "Mathematics", "Human-Computer Interaction",
          "Information Systems", "Physics"]

PLACES = [
    ("Austin", "Texas", "US", "+1 512 555 01{:02}"), ("Seattle", "Washington", "US", "(206) 555-01{:02}"),
    ("New York", "New York", "US", "+1 212 555 01{:02}"), ("Chicago", "Illinois", "US", "(312) 555-01{:02}"),
    ("Denver", "Colorado", "US", "+1 303 555 01{:02}"), ("Atlanta", "Georgia", "US", "404-555-01{:02}"),
    ("London", "England", "GB", "+44 20 7946 09{:02}"), ("Manchester", "England", "GB", "+44 161 496 09{:02}"),
    ("Edinburgh", "Scotland", "GB", "+44 131 496 09{:02}"), ("Cardiff", "Wales", "GB", "+44 29 2018 09{:02}"),
]
TAGS = ["rust-guild", "conference-2025", "silver-medallist", "open-to-relocation", "referral",
        "visa-sponsored", "remote-only", "alumni"]


def ascii_of(text):
    text = text.replace("ı", "i").replace("ø", "o").replace("ł", "l")
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(c for c in plain.lower() if c.isalnum() or c == "-")


def profile(rng, number, taken):
    while True:
        first, last = rng.choice(FIRST), rng.choice(LAST)
        handle = f"{ascii_of(first)}.{ascii_of(last)}"
        if handle not in taken:
            taken.add(handle)
            break
    track = rng.choice(sorted(TRACKS))
    title = rng.choice(LEVELS) + track
    company, former = rng.sample(COMPANIES, 2)
    city, state, country, phone = rng.choice(PLACES)
    years = rng.randint(2, 22)
    started = 2025 - rng.randint(1, max(1, years // 2))
    emails = [{"value": f"{handle}@{rng.choice(['example.com', 'example.org'])}", "kind": "personal"}]
    if rng.random() < 0.2:
        emails.append({"value": f"{handle}@{ascii_of(former)}.example.com", "kind": "work", "outdated": True})
    if rng.random() < 0.1:
        # As people type them: the mapping trims and folds.
        emails[0]["value"] = f" {emails[0]['value'].title()} "
    person = {
        "id": f"hz-{number:04}-{rng.getrandbits(32):08x}",
        "firstName": first,
        "lastName": last,
        "fullName": f"{first} {last}",
        "title": title,
        "currentCompany": company,
        "yearsOfExperience": years,
        "location": {"raw": f"{city}, {state}", "city": city, "state": state, "country": country},
        "emails": emails if number != WITHOUT_EMAIL else [],
        "phones": [{"value": phone.format(rng.randint(0, 99))}],
        "contactRevealed": number != WITHOUT_EMAIL,
        "socialLinks": [{"kind": "linkedin", "url": f"https://social.example.com/in/{handle}"}],
        "positions": [
            {"title": title, "company": company, "start": f"{started}-{rng.randint(1, 12):02}", "current": True},
            {"title": track, "company": former, "start": f"{max(2003, started - 4)}-09", "end": f"{started}-01"},
        ],
        "education": [
            {"school": rng.choice(SCHOOLS), "degree": rng.choice(DEGREES), "field": rng.choice(FIELDS),
             "end": str(2024 - years)}
        ],
        "skills": rng.sample(TRACKS[track], rng.randint(5, 7)),
        "tags": rng.sample(TAGS, rng.randint(1, 3)),
        "lastRefreshedAt": f"2025-{rng.randint(1, 9):02}-{rng.randint(1, 28):02}T08:00:00Z",
    }
    return person


def text():
    rng = random.Random(20250501)
    taken = set()
    lines = [json.dumps(profile(rng, number, taken), ensure_ascii=False, separators=(",", ":"))
             for number in range(1, COUNT + 1)]
    head = [
        "# 200 invented people. Generated by hack/quickstart-profiles.py.",
        "apiVersion: v1",
        "kind: ConfigMap",
        "metadata:",
        "  name: sourced-engineers",
        "  namespace: talent",
        "data:",
        "  candidates.ndjson: |",
    ]
    return "\n".join(head + ["    " + line for line in lines]) + "\n"


def main():
    written = text()
    if sys.argv[1:] == ["--check"]:
        if TARGET.read_text(encoding="utf-8") != written:
            sys.exit(f"{TARGET} differs; run python3 hack/quickstart-profiles.py")
    else:
        TARGET.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
