#!/usr/bin/env bash
# The comparison of the action: what SPECS names, as it is and as it was in the revision BASE.
#
# What changed in meaning is written as Markdown to the job's summary and, with COMMENT=true, into one
# comment on the pull request PR, which is written anew each time. `base` means that of the pull request.
set -uo pipefail
shopt -s globstar nullglob

mark='<!-- cnndsl diff -->'
most=60000 # GitHub takes comments of 65,536 characters

base=$BASE
if [ "$base" = base ]; then
  if [ -z "${GITHUB_BASE_REF:-}" ]; then
    echo "this is no pull request: there is no base to compare with"
    exit 0
  fi
  git fetch --quiet --no-tags --depth=1 origin "$GITHUB_BASE_REF" && base=FETCH_HEAD
fi
if ! git rev-parse --quiet --verify "$base^{commit}" > /dev/null; then
  echo "::error title=cnndsl::there is no revision \`$base\` to compare with; fetch it: \`fetch-depth: 0\`"
  exit 1
fi
base=$(git rev-parse --short "$base^{commit}")

specs=()
while IFS= read -r pattern; do
  pattern=${pattern#"${pattern%%[![:space:]]*}"}
  pattern=${pattern%"${pattern##*[![:space:]]}"}
  IFS= specs+=($pattern) # as in check.sh
done <<< "${SPECS:-}"

found=$(mktemp)
trap 'rm -f "$found" "$found.said"' EXIT
for spec in ${specs[@]+"${specs[@]}"}; do
  [[ $spec == *.cnn && -f $spec ]] || continue
  if ! git cat-file -e "$base:./$spec" 2> /dev/null; then
    printf '### `%s` is new\n\n' "$spec" >> "$found"
    continue
  fi
  if changed=$(cnndsl diff --format markdown --exit-code -- "$base:./$spec" "$spec" 2> "$found.said"); then
    continue
  fi
  if [ -n "$changed" ]; then
    printf '%s\n\n' "$changed" >> "$found"
  elif ! grep -q CNN630 "$found.said"; then # a file of blocks has no network
    printf '### `%s` cannot be compared\n\n```text\n%s\n```\n\n' "$spec" "$(head -5 "$found.said")" >> "$found"
  fi
done

changes=true
if [ ! -s "$found" ]; then
  changes=false
  printf 'No network changed in meaning since `%s`.\n' "$base" > "$found"
fi
cat "$found"
[ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat "$found" >> "$GITHUB_STEP_SUMMARY"

if [ "${COMMENT:-false}" = true ] && [ -n "${PR:-}" ]; then
  comments=repos/$GITHUB_REPOSITORY/issues/$PR/comments
  old=$(gh api --paginate "$comments" --jq ".[] | select(.body | startswith(\"$mark\")) | .id" | head -1) || exit 1
  {
    echo "$mark"
    if [ "$(wc -m < "$found")" -le $most ]; then cat "$found"; else
      echo "More changed in meaning since \`$base\` than a comment holds: see the summary of the job."
    fi
  } > "$found.said"
  if [ -n "$old" ]; then
    gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$old" --field "body=@$found.said"
  elif [ $changes = true ]; then
    gh api --silent "$comments" --field "body=@$found.said"
  fi
fi
