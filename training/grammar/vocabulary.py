"""Vocabulary: plain English words that topics are varied with, so that no phrase of a topic can be
guessed, only copied.

Out: the words below together with every word of the sentence and topic banks; and `pieces`, the
subwords of nano's tokenizer (pieces.txt), so that made-up words exercise each of them.
"""

import re
from functools import cache
from pathlib import Path

from training.grammar import asks, lines, symbols, words
from training.grammar.styles_one import CASUAL, INSPIRATIONAL, PLAYFUL, PROFESSIONAL
from training.grammar.styles_two import EDUCATIONAL, MINIMAL, PROMOTIONAL, STORYTELLING

EXTRA = """
acorn airplane album almond anchor angle ankle apple apricot apron arcade archer arena armchair
arrow artist aspen atlas attic autumn avocado axle badge bagel bamboo banana banjo barn barrel
basil basin bath beach beacon beaver bell berry bicycle birch bird biscuit blanket blossom
blueberry boat bonfire border bottle bowl bracket branch bread breeze brick bridge broccoli brook
broom brush bubble bucket buffet burrito butter button cabbage cabin cable cactus camel camera
canal candy canoe canyon captain caramel cargo carnival carpet carrot cashew castle cattle cedar
ceiling celery cello chain chalk champion chapel charger cherry chess chicken chimney cinema
circus citrus clarinet classic climate clinic clock cloud clover cobbler coconut collar column
comet compass concrete copper coral corner cotton couch country cousin cradle crane crayon cream
creek crew cricket crown crystal cucumber cupboard curry curtain cushion daisy dance database
dentist deploy desert dessert diamond dinner dolphin donkey donut dragon drawer dress drum eagle
earth easel echo eclipse elbow elephant elevator elm engine envelope espresso evening express
fabric factory falcon family farm feather fence fern festival fiddle field figure filter finger
fire firefly flag flame flannel flute foam forest fork fossil fountain fox frame freezer frost
fudge galaxy garage garlic gate gear ginger giraffe glacier glass glove goat gold goose gorilla
grain grandma grandpa granite grape graph grass gravel guitar hammer hammock harbor harvest hazel
hedge helmet hen heron hill hockey honey hoodie horizon horse hospital hotel hound iceberg igloo
insect iron island ivory ivy jacket jaguar jam jasmine jelly jersey jewel jigsaw journal juice
jungle kale kayak ketchup kettle kiosk kitten kiwi koala kubernetes lace ladder lagoon lamb
lantern laptop laundry lavender lawn leaf lemon leopard lettuce lighthouse lilac lily lime linen
lion lizard lobby lobster locker lotus lumber lunch machine magnet mango maple marble marker mask
meadow medal melody melon menu metal microscope migration milk mineral mint mirror mitten model
monkey moon moose morning moss motor mountain mouse movie muffin museum mushroom mustard napkin
nectar needle nest network night noodle notebook nutmeg oak oasis oatmeal ocean octopus olive
onion opera orange orchard orchestra orchid otter oven owl oyster paddle palace palm panda pantry
papaya parade parcel parrot pasta pastry patio peach peacock peanut pear pebble pelican pencil
penguin pepper piano pickle picnic pigeon pillow pilot pine pipeline pirate plane planet plaza
plum pocket podium polish pond pony popcorn porch potato pottery prairie pumpkin puzzle quilt
rabbit radar radio raft railway rain rainbow raspberry raven recipe reef relay remote ribbon rice
ring river robot rocket rope rose ruby sail salad salmon salsa sand sandal sandwich satellite
sauna scooter sculpture seal season server shadow shark sheep shelf shell shield ship shirt shore
shovel silk silver singer skate sketch ski sky slipper smoothie snow soccer sofa solar song soup
spark spinach spoon sprout squash squirrel stadium stage star station statue steam stone storm
stove strawberry stream street suitcase sun sunflower surf swan sweater swing syrup tablet talent
tango tea teapot temple tennis tent theater thunder ticket tiger timber toast tomato tool torch
tortoise tower toy tractor trail train travel treasure tree trumpet tulip tuna tunnel turtle
umbrella uniform valley vanilla vase velvet veranda victory village vinegar violin visitor volcano
waffle wagon wallet walnut waterfall wave weather website whale wheat wheel whisper willow window
winter wolf wood wool workshop yacht yard yarn yogurt zebra zipper zucchini
""".split()  # noqa: SIM905


@cache
def vocabulary() -> tuple[str, ...]:
    """Return every word once, sorted: lower case, three letters or more."""
    first, second = (CASUAL, INSPIRATIONAL, PLAYFUL, PROFESSIONAL), (EDUCATIONAL, MINIMAL)
    banks = (*first, *second, PROMOTIONAL, STORYTELLING)
    texts = [sentence for bank in banks for sentence in (*bank.hooks, *bank.lines, *bank.asks)]
    groups = (words.NOUNS, words.PLURALS, words.GERUNDS, symbols.SYMBOLS, lines.TONES)
    texts += [text for group in groups for bank in group.values() for text in bank]
    texts += [*words.ADJECTIVES, *words.PLACES, *words.ENDINGS, *words.AUDIENCES, *words.KEYWORDS]
    texts += [*asks.CAPTION_ASKS, *lines.POST_BODIES]
    found = re.findall(r"(?<![{\w])[a-z]{3,}(?![}\w])", " ".join(texts).lower())
    return tuple(sorted({*EXTRA, *found}))


@cache
def pieces() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the subwords that begin a word and those that continue one."""
    text = Path(__file__).with_name("pieces.txt").read_text()
    first, rest = text.split("\n\n")
    return tuple(first.split()), tuple(rest.split())
