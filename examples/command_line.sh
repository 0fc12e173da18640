#!/bin/sh
# From nothing to a message on three nodes, in a temporary folder, with the samebox command.
#   sh examples/command_line.sh [FIRST_PORT]
set -eu

port=${1:-7788}
folder=$(mktemp -d)
nodes=""
finish() {
    for pid in $nodes; do kill "$pid" 2>/dev/null || true; done # one may have ended by itself
    wait
    rm -r "$folder"
}
trap finish EXIT
cd "$folder"

samebox init --certificates \
    --node "a=127.0.0.1:$port" --node "b=127.0.0.1:$((port + 1))" --node "c=127.0.0.1:$((port + 2))"
samebox check-config
export SAMEBOX_CONFIG=nodes.yaml
for node in a b c; do
    samebox run --node "$node" 2>"$node.log" &
    nodes="$nodes $!"
done

answers() { # $1, which runs as $2, within 100 tries; or its log says why not
    tries=0
    until SAMEBOX_NODE=$1 samebox status >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" = 100 ] || ! kill -0 "$2" 2>/dev/null; then cat "$1.log" >&2; exit 1; fi
        sleep 0.3
    done
}
set -- $nodes
for node in a b c; do answers "$node" "$1"; shift; done

export SAMEBOX_NODE=a
samebox create mail/alice
samebox create mail/alice:Work
printf 'Subject: hello\n\nFrom the command line.\n' |
    samebox append mail/alice:Work --flag '\Seen' --copies all --timeout 20
samebox create files/team
echo 'milk, bread' | samebox create files/team:notes.txt --file --copies all --timeout 20

export SAMEBOX_NODE=c
samebox ls mail/alice
samebox ls --entries mail/alice:Work
samebox cat files/team:notes.txt
samebox store mail/alice:Work --add '\Flagged' --copies all --timeout 20
samebox export mail/alice:Work work.mbox --format mbox
grep -q 'From the command line.' work.mbox
samebox status
