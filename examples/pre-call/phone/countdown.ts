import { element } from '../element.ts';
import { minutesAndSeconds } from '../language.ts';

/** A moment on the page's own clock that no change of the device's time moves. */
export function deadlineIn(seconds: number): number {
  return performance.now() + seconds * 1000;
}

/**
 * Time left, counted down while the element is on the page. Not a live region: a screen reader that says every second
 * is of no use to anyone.
 * @param over called once, if the element is still there at the end
 */
export function countdown(deadline: number, words: (time: string) => string, over?: () => void): HTMLElement {
  const shown = element('span', { class: 'countdown' });
  const draw = (): number => {
    const left = (deadline - performance.now()) / 1000;
    shown.textContent = words(minutesAndSeconds(left));
    shown.classList.toggle('ending', left <= 20);
    return left;
  };
  const timer = setInterval(() => {
    if (!shown.isConnected) return clearInterval(timer);
    if (draw() > 0) return;
    clearInterval(timer);
    over?.();
  }, 500);
  draw();
  return shown;
}
