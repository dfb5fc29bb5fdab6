"""Kabar Lintas, the invented news site of embedded mode, and everything `seed_demo` makes: all of it demo data.

`stories` reads the texts, `drawings` makes their pictures, `views` are the pages below `/demo/`. `people`, `history`
and `removal` are the seed's parts. All names, addresses and events are invented.
"""
