#!/bin/sh
# 960 hours on two machines of eight GPUs: sbatch recipes/untried/librispeech/slurm.sh, from the root of a checkout with `asr` on
# the path and the shards made (run.sh makes them). SLURM starts a process a GPU, and Lightning finds them by its
# variables. Sent again after the time limit, it goes on.
#SBATCH --job-name=librispeech
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=12
#SBATCH --time=24:00:00
set -eu
if [ -e runs/librispeech_960/checkpoints/last.ckpt ]; then go_on="--ckpt_path last"; else go_on=; fi
srun asr train --config recipes/untried/librispeech/train_960.yaml \
  --trainer.num_nodes 2 --trainer.devices 8 --trainer.strategy ddp $go_on
