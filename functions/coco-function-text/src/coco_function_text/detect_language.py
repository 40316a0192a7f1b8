"""DetectProgrammingLanguage: the language of a file by its name."""

from coco import op
from coco_function_text.languages import detect_language


class DetectProgrammingLanguage(op.FunctionSpec):
    """The programming language of a file, by the last extension of its name in any case; null if unknown.

    Input: ``filename``, which may be a path. Output: a name as SplitRecursively takes it, those of
    tree-sitter-language-pack. The content is not looked at.
    """


@op.executor_class(behavior_version=1)
class DetectProgrammingLanguageExecutor:
    """Runs DetectProgrammingLanguage."""

    spec: DetectProgrammingLanguage
    runs_in_plan = True

    def __call__(self, filename: str) -> str | None:
        return detect_language(filename)
