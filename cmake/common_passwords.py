"""Writes the table of common passwords as C data.

usage: common_passwords.py OUTPUT

The list is made by rule, not copied: words that people like, alone, doubled, in pairs, and with what
they put before and behind them, and the columns of a keyboard. OUTPUT defines
`common_passwords`, the 64-bit FNV-1a hashes of all of them in order, and `common_password_count`
(both declared in models/password_policy.h). Digits and signs around a word, letters written as
digits, capitals, runs and repetitions are undone before a look-up, so they are not in the list.
"""
import pathlib
import sys

WORDS = """
password passwort passwd pass passphrase secret private hidden access login logon signin signup
welcome hello goodbye letmein openup opensesame master admin administrator root user guest test
testing tester sample example demo default change changeme changeit temp temporary system server
computer laptop desktop network internet website webmaster database oracle mysql mongo postgres
windows linux ubuntu android iphone apple google facebook twitter youtube amazon microsoft samsung
nokia sony nintendo playstation xbox minecraft pokemon mario zelda sonic tetris warcraft
spring summer autumn winter fall season january february march april june july august september
october november december monday tuesday wednesday thursday friday saturday sunday weekend holiday
vacation birthday christmas easter halloween morning evening night today tomorrow yesterday forever
always never again nothing something everything whatever anything nobody someone somebody
love lover loving loveme iloveyou loveyou hateyou missyou trustno trustme kissme kisses heart
hearts sweetheart darling honey sugar sweetie sweet candy cookie cookies chocolate vanilla
strawberry cherry banana orange lemon apples peach mango coconut pineapple watermelon blueberry
cheese butter pepper ginger coffee whiskey vodka tequila beer pizza burger chicken bacon pancake
muffin cupcake pudding noodle nugget peanut pumpkin potato tomato onion garlic pickle
dragon monkey tiger lion eagle falcon hawk wolf bear panther leopard jaguar cheetah puma cougar
bulldog puppy doggy kitten kitty horse pony donkey rabbit bunny turtle dolphin shark whale
penguin parrot phoenix unicorn butterfly spider scorpion cobra python viper snake lizard gecko
hamster mouse squirrel raccoon badger otter beaver buffalo bison mustang stallion elephant giraffe
gorilla chimp panda koala kangaroo crocodile alligator octopus lobster mosquito hornet rooster
pigeon raven crow robin sparrow swallow peacock flamingo
football soccer baseball basketball hockey tennis golf cricket rugby volleyball boxing wrestling
karate surfing skating skiing snowboard swimming running runner racing racer cycling fishing hunter
hunting sailing champion winner player gamer gaming goalkeeper striker captain coach trainer
arsenal chelsea liverpool barcelona madrid juventus bayern dortmund celtic rangers everton
manchester united yankees cowboys lakers steelers packers raiders broncos redsox dodgers giants
red green blue yellow purple orange black white silver golden gold bronze violet indigo crimson
scarlet turquoise magenta rainbow shadow sunset sunrise sunshine sunny moon moonlight starlight
star stars stardust galaxy universe cosmos planet earth mars venus jupiter saturn neptune mercury
thunder lightning storm hurricane tornado blizzard snow snowflake rain rainy winter fire flame
water ocean river island beach desert forest jungle mountain valley garden flower flowers rose
lily daisy tulip orchid jasmine violet sunflower lotus cactus
diamond crystal emerald ruby sapphire pearl amber jade opal topaz platinum treasure fortune lucky
money dollar dollars cash rich richer million millionaire casino poker jackpot
freedom liberty justice peace victory glory honor legend legends hero heroes warrior warriors
soldier ranger sniper gunner hunter killer assassin ninja samurai shogun pirate pirates viking
vikings knight knights wizard witch magic magical merlin gandalf frodo bilbo aragorn legolas
gollum hogwarts potter hermione batman superman spiderman ironman wolverine hulk thor loki deadpool
avenger avengers starwars skywalker vader yoda chewbacca jedi matrix trinity morpheus terminator
godzilla kingkong jurassic titanic rocky rambo bond goldeneye hannibal
king queen prince princess royal royalty empire emperor kingdom castle angel angels angelic devil
demon demons satan lucifer heaven hell jesus christ jesuschrist church bible faith blessed grace
mercy spirit soul prayer gospel
michael matthew joshua daniel david andrew james joseph john robert william thomas charles george
richard christopher anthony steven kevin brian jason justin ryan eric jacob nicholas jonathan
alexander alexis samuel benjamin patrick peter paul mark lucas martin oliver oscar oskar hugo felix
simon dennis tobias stefan andreas sebastian florian marco mario luigi antonio carlos diego
fernando francisco jose juan pedro pablo miguel manuel rafael ricardo roberto sergio
jennifer jessica ashley amanda sarah stephanie melissa nicole elizabeth heather michelle tiffany
amber rachel christina samantha danielle kimberly lauren megan emily hannah olivia sophia isabella
charlotte victoria vanessa natalie natasha andrea angela angelina barbara maria marie martina
monica patricia sandra susan teresa veronica claudia carmen julia laura linda lisa nancy nina
sabrina silvia sofia valentina
maggie buddy bailey charlie jordan taylor tyler hunter cooper rocky toby lucky shadow ginger
molly sadie sophie lucy chloe zoey bella buster duke rusty sammy oreo smokey snoopy garfield
scooby tigger pooh winnie mickey minnie donald goofy pluto bambi simba nemo elmo
mother father mommy daddy mama papa sister brother baby babygirl babyboy family friend friends
bestfriend boyfriend girlfriend husband wife grandma grandpa children daughter
mustang corvette camaro porsche ferrari mercedes bentley maserati lamborghini toyota honda nissan
suzuki yamaha kawasaki ducati harley davidson chevrolet chevy dodge ford jeep volvo audi racecar
guitar piano violin drummer drums trumpet music musical musician metal metallica nirvana eminem
beatles elvis madonna rihanna slipknot greenday blink acdc rockstar rocknroll hiphop reggae techno
dance dancer dancing singer melody karaoke
america american canada mexico brazil argentina chile colombia england london britain scotland
ireland france paris germany berlin italy roma milano spain portugal lisboa holland amsterdam
sweden norway denmark finland poland russia moscow ukraine turkey istanbul greece athens egypt
cairo africa india china japan tokyo korea australia sydney melbourne texas california florida
newyork chicago boston dallas houston denver seattle phoenix orlando miami vegas hollywood
brooklyn manhattan
school teacher student college university professor science physics chemistry biology history
english spanish french german italian doctor nurse lawyer police officer sheriff fireman pilot
chef barber dentist engineer manager director president general colonel sergeant major
business company office service support sales marketing finance accounting billing customer
happy smile smiley laugh funny crazy stupid idiot loser freak monster creature zombie vampire
ghost ghosts alien aliens robot robots android cyborg hacker hacking cracker phantom mystery
strange random simple easy perfect super awesome amazing beautiful gorgeous pretty cutie handsome
single married sexy
naughty playboy bigboy badboy badgirl goodboy goodgirl bigdog topgun number one only special secure
security safety safe trust trusted
correct battery staple horse
alpha beta gamma delta omega sigma theta epsilon zulu tango foxtrot bravo charlie echo hotel kilo
"""

# Before a word and behind it; digits and signs are undone before a look-up.
BEFORE = ("my", "the", "i", "ilove", "love", "big", "little", "super", "hello", "mister", "new")
BEHIND = ("s", "y", "er", "me", "man", "boy", "girl", "love", "lover", "forever", "rocks", "pass",
          "password", "fan", "baby")
PAIRED = ("love", "baby", "happy", "hello", "welcome", "password", "secret", "summer", "winter",
          "spring", "autumn", "sweet", "angel", "dragon", "star", "black", "blue", "red", "green",
          "white", "home", "sunshine", "monkey", "football", "forever", "qwerty")
# Columns and other ways over a keyboard that are no runs along a row.
WAYS = ("1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm", "qaz", "wsx", "edc", "rfv", "tgb",
        "yhn", "ujm", "zaq", "xsw", "cde", "vfr", "bgt", "nhy", "mju", "zaq1", "xsw2", "q1w2",
        "e3r4", "t5y6", "a1s2", "d3f4", "z1x2", "c3v4", "qwe", "asd", "zxc", "qweasd", "asdzxc",
        "poi", "lkj", "mnb", "q1w2e3", "1q2w", "3e4r", "5t6y", "1q2w3e", "qwer", "asdf", "zxcv")
MASK = (1 << 64) - 1


def passwords():
    words = sorted(set(WORDS.split()))
    yield from words
    for word in words:
        yield word + word
        for part in BEFORE:
            yield part + word
        for part in BEHIND:
            yield word + part
    for first in PAIRED:
        for second in PAIRED:
            yield first + second
    for first in WAYS:
        yield first
        for second in WAYS:
            yield first + second


def fnv1a(text):
    """As in models/password_policy.c."""
    digest = 0xcbf29ce484222325
    for byte in text.encode():
        digest = (digest ^ byte) * 0x100000001b3 & MASK
    return digest


def main():
    hashes = sorted({fnv1a(text) for text in passwords()})
    rows = [", ".join(f"UINT64_C(0x{one:016x})" for one in hashes[at:at + 4])
            for at in range(0, len(hashes), 4)]
    pathlib.Path(sys.argv[1]).write_text(
        '#include "models/password_policy.h"\n\nconst uint64_t common_passwords[] = {\n    '
        + ",\n    ".join(rows) + f"}};\nconst size_t common_password_count = {len(hashes)};\n")


if __name__ == "__main__":
    main()
