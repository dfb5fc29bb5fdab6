"""Invented readers: names from Indonesia and abroad, addresses that can never be anybody's (RFC 2606)."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

DOMAINS = ("example.com", "example.net", "example.org", "surel.example", "kotak.example", "post.example")
FIRST_NAMES = [
    "Siti",
    "Budi",
    "Dewi",
    "Agus",
    "Rina",
    "Bayu",
    "Maya",
    "Hendra",
    "Putri",
    "Arif",
    "Wulan",
    "Dimas",
    "Lestari",
    "Yusuf",
    "Ratna",
    "Fajar",
    "Indah",
    "Galih",
    "Nurul",
    "Eko",
    "Ayu",
    "Rizal",
    "Citra",
    "Wahyu",
    "Sari",
    "Joko",
    "Melati",
    "Andi",
    "Fitri",
    "Bambang",
    "Kartika",
    "Rudi",
    "Nadia",
    "Surya",
    "Tuti",
    "Made",
    "Ketut",
    "Wayan",
    "Nyoman",
    "Komang",
    "Ucok",
    "Butet",
    "Yohana",
    "Maria",
    "Yosef",
    "Petrus",
    "Theresia",
    "Markus",
    "Olivia",
    "Daniel",
    "Farah",
    "Ilham",
    "Zahra",
    "Imam",
    "Aisyah",
    "Taufik",
    "Laila",
    "Hasan",
]
LAST_NAMES = [
    "Santoso",
    "Wijaya",
    "Lestari",
    "Pratama",
    "Anggraini",
    "Hidayat",
    "Nugroho",
    "Saputra",
    "Wibowo",
    "Rahayu",
    "Setiawan",
    "Kusuma",
    "Permata",
    "Siregar",
    "Simanjuntak",
    "Nasution",
    "Lubis",
    "Tambunan",
    "Hutapea",
    "Manurung",
    "Sihombing",
    "Wirawan",
    "Suryani",
    "Hartono",
    "Gunawan",
    "Susanto",
    "Halim",
    "Darmawan",
    "Utami",
    "Puspita",
    "Maulana",
    "Ramadhan",
    "Firmansyah",
    "Kurniawan",
    "Suryadi",
    "Astuti",
    "Handayani",
    "Mulyani",
    "Yuliana",
    "Pertiwi",
]
FOREIGN_FIRST_NAMES = [
    "Anna",
    "James",
    "Marie",
    "Lukas",
    "Sophie",
    "Daniel",
    "Emma",
    "Tom",
    "Ingrid",
    "Pierre",
    "Yuki",
    "Mei",
    "Hiroshi",
    "Olga",
    "Carlos",
    "Fatima",
    "Liam",
    "Chloé",
    "Jürgen",
    "Aoife",
    "Mateo",
    "Priya",
    "Omar",
    "Hana",
    "Erik",
    "Nora",
    "Wei",
    "Jonas",
    "Laura",
    "Peter",
]
FOREIGN_LAST_NAMES = [
    "Müller",
    "Smith",
    "Dubois",
    "Tanaka",
    "Novak",
    "Rossi",
    "Jensen",
    "Brown",
    "García",
    "Ivanova",
    "Kowalski",
    "Chen",
    "Martin",
    "O'Connor",
    "Silva",
    "Berg",
    "Nguyen",
    "Khan",
    "Larsen",
    "Weber",
    "Murphy",
    "Kim",
    "Lopez",
    "Fischer",
    "Andersen",
    "Visser",
    "Costa",
    "Bauer",
    "Wilson",
    "Moreau",
]


@dataclass(frozen=True)
class InventedReader:
    name: str
    email: str
    language: str


def invent(count: int, *, chance: random.Random) -> Iterator[InventedReader]:
    """`count` different people, about three in four of them Indonesian."""
    seen: set[str] = set()
    while len(seen) < count:
        is_foreign = chance.random() < 0.24
        first, last = (FOREIGN_FIRST_NAMES, FOREIGN_LAST_NAMES) if is_foreign else (FIRST_NAMES, LAST_NAMES)
        name = f"{chance.choice(first)} {chance.choice(last)}"
        email = f"{_email_local_part(name)}@{chance.choice(DOMAINS)}"
        if email not in seen:
            seen.add(email)
            speaks_english = chance.random() < (0.85 if is_foreign else 0.06)
            yield InventedReader(name, email, "en" if speaks_english else "id")


def _email_local_part(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return ".".join("".join(filter(str.isalpha, word)) for word in plain.split())
