#!/usr/bin/env bash
# Publishes what `make dist` made as a release of GitHub, with the changelog's words about it: publish.sh TAG. Needs `gh`.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

tag=${1:?usage: publish.sh TAG}
version=$(sed -nE '/^\[workspace.package\]/,/^$/s/^version = "(.*)"$/\1/p' Cargo.toml)
[[ $tag == "v$version" ]] || { echo "the tag $tag is not that of version $version in Cargo.toml" >&2; exit 1; }

dist=${DIST:-dist}
stem=$dist/vault-plugin-secrets-datastax-astra_$version
[[ -f ${stem}_SHA256SUMS.sig ]] || { echo "${stem}_SHA256SUMS is not signed: run \`make dist\` with KEY=" >&2; exit 1; }
(cd "$dist" && sha256sum --check --quiet "${stem##*/}_SHA256SUMS")

notes=$(awk -v start="## [$version]" 'index($0, start) == 1 { on = 1; next } /^## / { on = 0 } on' "${CHANGELOG:-CHANGELOG.md}")
[[ -n ${notes//[[:space:]]/} ]] || { echo "the changelog has no section [$version]" >&2; exit 1; }

gh release create "$tag" --verify-tag --title "$version" --notes-file - "$stem"[_.]* "$dist/astra-$version"[_.]* <<<"$notes"
