# Fills a template in: {{NAME}} from the environment; lines between `%if NAME` and `%end` only where NAME is not empty,
# those between `%unless NAME` and `%end` only where it is. Blocks may stand in blocks.

function complain(text) { print "edge: " FILENAME ":" FNR ": " text > "/dev/stderr"; failed = 1; exit 70 }

/^%(if|unless) / {
    if (!($2 in ENVIRON)) complain("there is no " $2)
    depth++
    if (!left_out && ($1 == "%if") == (ENVIRON[$2] == "")) left_out = depth
    next
}
/^%end$/ {
    if (!depth) complain("there is no block to end")
    if (left_out == depth) left_out = 0
    depth--
    next
}
left_out { next }
{
    line = $0
    out = ""
    while (match(line, /\{\{[A-Z0-9_]+\}\}/)) {
        name = substr(line, RSTART + 2, RLENGTH - 4)
        if (!(name in ENVIRON)) complain("there is no " name)
        out = out substr(line, 1, RSTART - 1) ENVIRON[name]
        line = substr(line, RSTART + RLENGTH)
    }
    print out line
}
END { if (depth && !failed) complain("a block has no end") }
