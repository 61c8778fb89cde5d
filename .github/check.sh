#!/usr/bin/env bash
# The check of the action: what SPECS names, one path, pattern or network a line.
#
# What is wrong is printed for people; with ANNOTATIONS=true also as GitHub's annotations, and as SARIF
# into the file that SARIF names. Exits as `cnndsl check` does.
set -uo pipefail
shopt -s globstar nullglob

specs=()
while IFS= read -r pattern; do
  pattern=${pattern#"${pattern%%[![:space:]]*}"}
  pattern=${pattern%"${pattern##*[![:space:]]}"}
  # Without IFS a pattern is a pattern, with spaces in it or not. One that nothing meets is none.
  IFS= specs+=($pattern)
done <<< "${SPECS:-}"

if [ ${#specs[@]} = 0 ]; then
  echo "::error title=cnndsl::no file is meant by the input \`specs\`: ${SPECS//$'\n'/, }"
  exit 1
fi

cnndsl check --table none -- "${specs[@]}"
status=$?
if [ "${ANNOTATIONS:-true}" = true ] && [ $status = 1 ]; then
  cnndsl check --format github -- "${specs[@]}" 2> /dev/null
fi
if [ -n "${SARIF:-}" ]; then
  cnndsl check --format sarif -- "${specs[@]}" > "$SARIF" 2> /dev/null
fi
exit $status
