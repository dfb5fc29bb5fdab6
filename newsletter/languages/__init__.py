"""Languages: BCP 47 tags (`tags`) and the catalogues of the fixed words that readers see (`reader_words`)."""
