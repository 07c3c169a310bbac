"""Real sentences, on which the fast form of a model is compared with the model itself."""

PASSAGES = (
    "Bees make honey from nectar. A swarm leaves in May, and the old queen goes with it.",
    "The old bridge crosses the river Tay. It was built in 1887 by William Arrol; trains cross it every hour.",
    "A sponge cake needs eggs, sugar and flour, and bakes for forty minutes at 180 °C.",
    "Refunds are paid within 14 days of receipt of the goods, to the card with which the order was paid.",
    "NOTICE: The warranty (24 months) does not cover damage by water, unless the device is rated IP67 or better.",
    "Der Vertrag kann mit einer Frist von drei Monaten zum Jahresende gekündigt werden.",
    "La réunion du comité aura lieu le mardi 4 mars à 9 h 30, salle « Molière ».",
    "def area(radius):\n    return math.pi * radius ** 2",
    "| region | revenue | growth |\n| North | 1,204,000 EUR | 12.5 % |\n| South | 987,300 EUR | −3.1 % |",
    "Photosynthesis turns light into chemical energy, which plants keep as sugar; oxygen is set free.",
    "In 1969 two men walked on the Moon while a third stayed in orbit.",
    "Short.",
    "今日は晴れです。明日は雨が降るでしょう。",
    "The flow over a slender body at a high angle of attack separates, and the boundary layer becomes turbulent. " * 3,
    "To reset the password, open Settings › Account, choose “Reset”, and follow the link in the e-mail you get. "
    "The link is good for one hour; after that you have to ask for another one. Nobody at the help desk can see "
    "your password, and nobody will ever ask you for it.",
    "Every part of this sentence is repeated until it is longer than what the model reads of a text at once. " * 40,
)

QUERIES = (
    "Who built the bridge?",
    "how do bees make honey",
    "How long do I bake a sponge cake?",
    "When do I get my money back?",
    "Is water damage covered by the warranty?",
    "notice period of the contract",
    "What time is the committee meeting?",
    "area of a circle in Python",
    "revenue of the southern region",
    "Where does the oxygen come from?",
    "first Moon landing",
    "What will the weather be like tomorrow?",
    "turbulent boundary layer at high angle of attack",
    "I forgot my password",
)
