"""English words that carry no topic.

STOP_WORDS neither begin nor end a keyword; WEAK_WORDS are none by themselves, but may be part of
one ("happy hour").
"""

_STOP = """
    a about above across after again against ago ain't all almost alone along already also
    although always am among an and another any anybody anyone anything anyway are aren't around
    as ask asked at away back be became because become been before behind being below besides
    between both bring brings but buy by call came can can't cannot check click come comes coming
    could couldn't did didn't discover do does doesn't doing don't done down during each either
    else enjoy enough especially etc even ever every everybody everyone everything explore far
    feel feels few finally find follow for found from get gets getting give given go goes going
    gone gonna got gotta had hadn't half has hasn't have haven't having he he'd he'll he's hello
    help her here here's hers herself hey hi him himself his how however i i'd i'll i'm i've if in
    indeed instead into is isn't it it'd it'll it's its itself join just keep know known later
    learn least less let let's like likely ll look looking love made make makes making many maybe
    me mean means meet might mine more most much must my myself needs never no nobody none nor not
    nothing now of off often oh ok okay on once ones only onto or other others otherwise our ours
    ourselves out over perhaps please put quite rather re read ready really said save saw say
    saying says see seem seems seen several shall share she she'd she'll she's should shouldn't
    since so some somebody someone something sometimes somewhere soon start started starts still
    stop such sure take takes taking tell than thank thanks that that's the their theirs them
    themselves then there there's therefore these they they'd they'll they're they've thing things
    think this those though through thus till to today tomorrow tonight too took toward towards
    tried tries try trying under unless until up upon us use used uses using usually ve very via
    visit wait want wants was wasn't watch we we'd we'll we're we've went were weren't what what's
    whatever when when's whenever where where's whether which while who who'd who'll who's whoever
    whole whom whose why why's will with within without won't would wouldn't yeah yes yesterday
    yet you you'd you'll you're you've your yours yourself yourselves
"""

_WEAK = """
    amazing awesome beautiful best better big day days end ended ends evening favorite favourite
    feeling first full good great happy hour hours kind last little long look lot lots may minute
    minutes month months morning near need new next nice old one own part people perfect place
    places right same second short small time times together two way ways week weeks well
    wonderful work worked working works world year years
"""

STOP_WORDS = frozenset(_STOP.split())
WEAK_WORDS = frozenset(_WEAK.split())
