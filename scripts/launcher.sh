# shellcheck shell=bash
# Read by the finetune scripts: GPUS and the variables below -> `launch`, the words that start a module on every GPU of
# one machine or of several. On several machines each rank must see the output folder: docs/scale.md.
#   LAUNCHER=deepspeed                        one machine; with HOSTFILE (lines "host slots=8") all of its hosts, by ssh
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=host0    without ssh: the same command on every machine, NODE_RANK counted from 0
#   LAUNCHER=torchrun NNODES=2 MASTER_ADDR=host0    without ssh and NODE_RANK: the machines meet at MASTER_ADDR:MASTER_PORT
#   LAUNCH="--hostfile hosts ..."             the launcher's own flags, in place of all of these
# A script that reads this is called as: bash scripts/finetune_faba_lora.sh
LAUNCHER=${LAUNCHER:-deepspeed}
HOSTFILE=${HOSTFILE:-}
NNODES=${NNODES:-1}
NODE_RANK=${NODE_RANK:-}
MASTER_ADDR=${MASTER_ADDR:-}
OWN_PORT=${MASTER_PORT:-} # two runs on one machine need two ports
MASTER_PORT=${MASTER_PORT:-29500}
RUN_ID=${RUN_ID:-llava-faba} # of torchrun's rendezvous: the same on all machines, another for each run

stop() {
    echo "error: $*" >&2
    exit 2
}

gpus_here() { # of this machine, where GPUS is empty
    [ -n "$GPUS" ] && echo "$GPUS" || python -c 'import torch; print(torch.cuda.device_count() or 1)'
}

case "$LAUNCHER" in deepspeed | torchrun) ;; *)
    stop "LAUNCHER is '$LAUNCHER'. It is deepspeed or torchrun. Leave it out for deepspeed." ;;
esac
[[ "$NNODES" =~ ^[1-9][0-9]*$ ]] || stop "NNODES is '$NNODES'. It is the number of machines. Give 1 or more."
if [ -n "$NODE_RANK" ] && ! { [[ "$NODE_RANK" =~ ^[0-9]+$ ]] && { [ -n "$HOSTFILE" ] || [ "$NODE_RANK" -lt "$NNODES" ]; }; }; then
    stop "NODE_RANK is '$NODE_RANK'. Machines are counted from 0 to NNODES - 1, which is $((NNODES - 1)). Correct it."
fi
if [ -z "${LAUNCH+given}" ] && { [ "$NNODES" -gt 1 ] || [ -n "$NODE_RANK" ]; } && [ -z "$MASTER_ADDR" ]; then
    [ -n "$HOSTFILE" ] && [ -z "$NODE_RANK" ] || stop "MASTER_ADDR is not given. Several machines meet at one of them," \
        "whose name or address all of them reach. Set MASTER_ADDR to that of the first."
fi

if [ -n "${LAUNCH+given}" ]; then
    read -r -a flags <<< "$LAUNCH"
elif [ "$LAUNCHER" = torchrun ] && [ "$NNODES" = 1 ]; then
    flags=(--standalone --nproc_per_node "$(gpus_here)")
elif [ "$LAUNCHER" = torchrun ]; then
    flags=(--nnodes "$NNODES" --nproc_per_node "$(gpus_here)" --rdzv_id "$RUN_ID" --rdzv_backend c10d
        --rdzv_endpoint "$MASTER_ADDR:$MASTER_PORT")
elif [ -n "$NODE_RANK" ]; then
    if [ -z "$HOSTFILE" ]; then # the names do not matter without ssh
        HOSTFILE=$(mktemp "${TMPDIR:-/tmp}/llava-faba-hosts.XXXXXX")
        trap 'rm -f "$HOSTFILE"' EXIT
        slots=$(gpus_here)
        for ((node = 0; node < NNODES; node++)); do echo "node-$node slots=$slots"; done > "$HOSTFILE"
    fi
    flags=(--hostfile "$HOSTFILE" --no_ssh --node_rank "$NODE_RANK" --master_addr "$MASTER_ADDR"
        --master_port "$MASTER_PORT")
elif [ -n "$HOSTFILE" ]; then
    flags=(--hostfile "$HOSTFILE" ${MASTER_ADDR:+--master_addr "$MASTER_ADDR"} --master_port "$MASTER_PORT")
elif [ "$NNODES" -gt 1 ]; then
    stop "NNODES is $NNODES without NODE_RANK or HOSTFILE. DeepSpeed starts other machines by ssh from a hostfile, or is" \
        "started on each. Give HOSTFILE, or NODE_RANK on each machine, or LAUNCHER=torchrun."
else
    flags=(${GPUS:+--num_gpus "$GPUS"} ${OWN_PORT:+--master_port "$OWN_PORT"})
fi
launch=("$LAUNCHER" "${flags[@]}")
