"""Learn priors from fitted walks and measure them on people who were left out. Arrays only."""

from collections.abc import Collection, Sequence

from meshgait_data.errors import InvalidData
from meshgait_data.fit.priors.gait import GaitPrior
from meshgait_data.fit.priors.gait_learn import GaitSettings, fit_cycle, stride
from meshgait_data.fit.priors.gait_project import project, with_noise
from meshgait_data.fit.priors.walks import Walk


def learn_gait(
    walks: Sequence[Walk], settings: GaitSettings | None = None, *, exclude: Collection[str] = (), name: str = "walk"
) -> GaitPrior:
    """Learn how people walk.

    Parameters
    ----------
    walks
        Walks of several people.
    settings
        Size of the space, and how phases are found.
    exclude
        People (``Walk.person``) to leave out.
    name
        Name of the prior.

    Raises
    ------
    InvalidData
        Where fewer than three people are left, or somebody does not walk.
    """
    settings = settings or GaitSettings()
    kept = [walk for walk in walks if walk.person not in exclude]
    people = sorted({walk.person for walk in kept})
    if len(people) < 3:
        raise InvalidData(
            f"a gait prior needs walks of at least 3 people, not of {len(people)}",
            hint="add walks, or exclude fewer people",
        )
    mean, strided = stride(kept, settings)
    # How far strangers are from the space can only be seen with people who were not learned from.
    spaces = {
        person: fit_cycle(mean, [one for one in strided if one.walk.person != person], settings, name=name)
        for person in people
    }
    left_out = [project(spaces[one.walk.person], one, settings) for one in strided]
    return with_noise(fit_cycle(mean, strided, settings, name=name), strided, left_out)
