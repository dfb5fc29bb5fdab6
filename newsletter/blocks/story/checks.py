from newsletter.blocks.article_checks import CHECKS

__all__ = ["CHECKS"]
