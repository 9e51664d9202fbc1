#!/bin/sh
# Dumps the repositories to the share.
set -eu
day=$(date +%F)
BACKUP_DIR=/backup
tar czf "${BACKUP_DIR}/gitea-${day}.tar.gz" /data/git
