#!/usr/bin/env bash
# manifest.sh DIR   holds docs/batch-job.yaml against Kubernetes' own schemas, with a validator that it installs below DIR.
set -euo pipefail
dir=${1:?usage: manifest.sh DIR}/manifest
validator=$dir/bin/kubernetes-validate
[ -x "$validator" ] || { echo "installing kubernetes-validate"; python3 -m venv "$dir"; "$dir/bin/pip" install -q --disable-pip-version-check kubernetes-validate==1.37.0; }
"$validator" --strict "$(dirname "$0")/../../docs/batch-job.yaml"
