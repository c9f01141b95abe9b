"""Questions about pictures, in German."""

from pocket.recipe.pictures import GermanWordings

BILD = "[Bild|Foto]"
DESCRIBE = GermanWordings(
    f"Beschreibe das {BILD}.",
    f"Beschreibe dieses {BILD}.",
    f"Was ist auf dem {BILD}?",
    f"Was ist auf diesem {BILD}?",
    f"Was siehst du auf dem {BILD}?",
    "Was siehst du?",
    f"Was zeigt das {BILD}?",
    f"Was zeigt dieses {BILD}?",
    f"Sag mir, was das {BILD} zeigt.",
    f"Was kannst du auf dem {BILD} sehen?",
)
COUNT = GermanWordings(
    "Wie viele {things} gibt es?",
    "Wie viele {things} siehst du?",
    f"Wie viele {{things}} sind auf dem {BILD}?",
    f"Wie viele {{things}} siehst du auf diesem {BILD}?",
    f"Wie viele {{things}} zeigt das {BILD}?",
    "Wie viele {things} sind es?",
    "Wie viele {things} sind das?",
    f"Wie viele {{things}} gibt es auf dem {BILD}?",
    "Sag mir, wie viele {things} es gibt.",
    f"Sag mir, wie viele {{things}} das {BILD} zeigt.",
)
VALUE = GermanWordings(
    "Wie hoch ist {label}?",
    "Was ist der Wert von {label}?",
    "Welchen Wert hat {label}?",
    "Wie hoch ist der Wert von {label}?",
    "Welchen Wert siehst du bei {label}?",
    f"Welchen Wert hat {{label}} auf dem {BILD}?",
    f"Wie hoch ist {{label}} auf diesem {BILD}?",
    "Lies den Wert von {label}.",
    "Nenne mir den Wert von {label}.",
    f"Was ist der Wert von {{label}} auf dem {BILD}?",
    f"Lies auf diesem {BILD} den Wert von {{label}}.",
)
HIGHEST = GermanWordings(
    "Was ist am [höchsten|größten]?",
    "Wo ist der Wert am [höchsten|größten]?",
    "Welcher Wert ist der [höchste|größte]?",
    "Was hat den [höchsten|größten] Wert?",
    f"Was ist auf dem {BILD} am höchsten?",
    "Nenne mir den [höchsten|größten] Wert.",
    "Welcher ist der höchste Wert?",
    f"Was hat auf diesem {BILD} den höchsten Wert?",
)
LOWEST = GermanWordings(
    "Was ist am [niedrigsten|kleinsten]?",
    "Wo ist der Wert am [niedrigsten|kleinsten]?",
    "Welcher Wert ist der [niedrigste|kleinste]?",
    "Was hat den [niedrigsten|kleinsten] Wert?",
    f"Was ist auf dem {BILD} am niedrigsten?",
    "Nenne mir den [niedrigsten|kleinsten] Wert.",
    "Welcher ist der niedrigste Wert?",
    f"Was hat auf diesem {BILD} den niedrigsten Wert?",
)
SAYS = GermanWordings(
    f"Was steht auf dem {BILD}?",
    f"Was steht auf diesem {BILD}?",
    "Was steht hier?",
    "Was steht da?",
    f"Welcher Text steht auf dem {BILD}?",
    "Welcher Text ist das?",
    f"Lies den Text auf dem {BILD}.",
    "Lies den Text.",
    "Welcher Text steht hier?",
    "Welcher Text steht da?",
    f"Lies, was auf diesem {BILD} steht.",
)
TOTAL = GermanWordings(
    "Wie hoch ist die Summe?",
    "Was ist die Summe?",
    "Wie viel kostet alles zusammen?",
    "Was kostet alles zusammen?",
    "Wie viel kostet das alles?",
    "Was kostet das alles?",
    "Wie viel ist es zusammen?",
    "Lies die Summe.",
    "Nenne mir die Summe.",
    "Wie viel muss ich zahlen?",
    "Was muss ich zahlen?",
    "Wie viel muss ich zusammen zahlen?",
    "Was muss ich für alles zahlen?",
)
PRICE = GermanWordings(
    "Was kostet {item}?",
    "Wie viel kostet {item}?",
    "Was ist der Preis von {item}?",
    "Wie hoch ist der Preis von {item}?",
    "Nenne mir den Preis von {item}.",
    "Lies den Preis von {item}.",
    "Welchen Preis hat {item}?",
    "Welchen Preis siehst du bei {item}?",
    f"Was kostet {{item}} auf [diesem|dem] {BILD}?",
    f"Wie viel kostet {{item}} auf [diesem|dem] {BILD}?",
    "Sag mir den Preis von {item}.",
    "Sag mir, was {item} kostet.",
)
