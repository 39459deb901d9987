"""English words that carry no topic.

STOP_WORDS neither begin nor end a keyword; WEAK_WORDS are none by themselves, but may be part of
one ("happy hour").
"""

_STOP = """
    a about above across after again against ago ain't all almost alone along already also
    although always am among an and another any anybody anyone anything anyway are aren't around
    as ask at away be became because become been before behind being below besides between both
    but by came can can't cannot come comes coming could couldn't did didn't do does doesn't doing
    don't done down during each either else especially etc even ever every everybody finally find
    for from gets getting give given go goes going gone gonna got gotta had hadn't has hasn't have
    haven't having he he'd he'll he's her here here's hers herself him himself his how however i
    i'd i'll i'm i've if in indeed instead into is isn't it it'd it'll it's its itself just know
    known let's like likely ll made make makes making many maybe me means might mine more most
    much must my myself needs never no nobody none nor not nothing now of off often oh on ones
    only onto or other others otherwise our ours ourselves out over perhaps please quite rather re
    really said saw say saying says seem seems seen several shall she she'd she'll she's should
    shouldn't since so some somebody someone sometimes somewhere soon still such takes taking than
    that that's the their theirs them themselves then there there's therefore these they they'd
    they'll they're they've this those though through thus till to too took toward towards tried
    tries trying under unless until up upon us uses using usually ve very via wants was wasn't we
    we'd we'll we're we've went were weren't what what's whatever when when's whenever where
    where's whether which while who who'd who'll who's whoever whole whom whose why why's will
    with within without won't would wouldn't yeah yes yet you you'd you'll you're you've your
    yours yourself yourselves
    """

_WEAK = """
    amazing awesome back beautiful best better big call check day days end ended ends enough
    evening everyone everything far favorite favourite feel feeling feels few first follow found
    full get good great half happy hello help hey hi hour hours join keep kind last later least
    less let little long look looking lot lots love may mean minute minutes month months morning
    near need new next nice ok okay old once one own part people perfect place put ready right
    same second see share short small something start started starts sure take tell thank thanks
    thing things think time times today together tomorrow tonight try two use used visit want way
    ways week weeks well wonderful work worked working works world year years yesterday
    """

STOP_WORDS = frozenset(_STOP.split())
WEAK_WORDS = frozenset(_WEAK.split())
